//! Promises about search: what is found, when, and that a page is bounded but the whole list complete.

use inlet_domain::{MessageFilter, Page, PageRequest, Search, Timestamp};

use super::world::{OURS, PARTY, World, at, inbound, inbound_mms, receipt};

/// Takes up everything that is filled behind.
async fn catch_up(world: &World) {
    while world.advance_behind(100).await.unwrap() {}
}

fn filter(text: &str) -> MessageFilter {
    let search = Search::parse(text, at(1_000)).unwrap();
    MessageFilter { search, ..MessageFilter::default() }
}

/// The ids of all messages that match, over as many pages as it takes.
async fn found(world: &World, filter: MessageFilter) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest { limit: 2, cursor };
        let Page { data, next } = world.messages(filter.clone(), request).await.unwrap();
        assert!(data.len() <= 2);
        ids.extend(data.into_iter().map(|message| message.id));
        match next {
            Some(next) => cursor = Some(next.parse().unwrap()),
            None => return ids,
        }
    }
}

pub async fn a_text_is_found_by_its_words_newest_first(world: World) {
    for (name, text) in [
        ("a", "Please refund my Crème brûlée"),
        ("b", "an APPOINTMENT next week, please"),
        ("c", "see you next year"),
        ("d", "明天见 👍🏽"),
        ("e", "at 10:30"),
    ] {
        world.text(name, text).await;
    }
    world.route().await;
    assert_eq!(found(&world, filter("please")).await, [""; 0], "nothing is taken up on the way of routing");
    catch_up(&world).await;
    for (text, expected) in [
        ("please", &["m-b", "m-a"][..]),
        ("creme brulee", &["m-a"]),
        ("appoint*", &["m-b"]),
        ("appoint", &[]),
        ("\"next week\"", &["m-b"]),
        ("\"week next\"", &[]),
        ("next -week", &["m-c"]),
        ("-please", &["m-e", "m-d", "m-c"]),
        ("-ne* -明天", &["m-e", "m-a"]),
        ("天见", &["m-d"]),
        ("👍", &["m-d"]),
        ("10:30", &["m-e"]),
        ("30:10", &[]),
        ("refund !!!", &["m-a"]),
        ("nothing", &[]),
        ("", &["m-e", "m-d", "m-c", "m-b", "m-a"]),
    ] {
        assert_eq!(found(&world, filter(text)).await, expected, "{text}");
    }
}

pub async fn words_and_conditions_hold_together(world: World) {
    world.text("a", "hello").await;
    world.text_from("+15550001111", "b", "hello").await;
    world.record_at("e-c", inbound_mms("c", &["https://x.example/1"]), 500).await;
    world.record("e-d", receipt("d", "key")).await;
    world.route().await;
    catch_up(&world).await;
    let conversation = world.message("m-a").await.unwrap().unwrap().conversation_id.unwrap();
    for (text, expected) in [
        ("hello from:+1555000", &["m-b"][..]),
        ("hello from:1555", &["m-b", "m-a"]),
        ("hello -from:+1555000", &["m-a"]),
        ("from:+1777", &[]),
        ("has:media", &["m-c"]),
        ("look has:media", &["m-c"]),
        ("hello has:media", &[]),
        ("-has:media direction:in", &["m-b", "m-a"]),
        ("direction:outbound", &["m-d"]),
        ("thanks status:delivered", &["m-d"]),
        ("look after:2023-11-14T22:20:00Z", &["m-c"]),
        ("after:2023-11-14T22:20:00Z", &["m-c"]),
        ("before:2023-11-14T22:20:00Z -thanks", &["m-b", "m-a"]),
        ("after:10m", &["m-c"]),
    ] {
        assert_eq!(found(&world, filter(text)).await, expected, "{text}");
    }
    let both = format!("conv:{conversation} hello to:{OURS}");
    assert_eq!(found(&world, filter(&both)).await, ["m-a"]);
    let exact = MessageFilter { from: Some(PARTY.to_owned()), has_media: Some(false), ..filter("hello") };
    assert_eq!(found(&world, exact).await, ["m-a"]);
}

pub async fn a_text_that_changes_is_found_by_its_new_words(world: World) {
    let without_text = receipt("a", "key").replace(r#","text":"thanks""#, "");
    world.record("e-1", without_text).await;
    world.route().await;
    catch_up(&world).await;
    assert_eq!(found(&world, filter("thanks")).await, [""; 0]);
    let with_text = receipt("a", "key").replace("e-a", "e-2");
    world.record("e-2", with_text).await;
    world.route().await;
    assert_eq!(world.message("m-a").await.unwrap().unwrap().text.as_deref(), Some("thanks"));
    catch_up(&world).await;
    assert_eq!(found(&world, filter("thanks")).await, ["m-a"]);
}

pub async fn what_is_filled_behind_is_filled_in_steps_of_a_bounded_size(world: World) {
    for number in 0..7 {
        world.text_from(&format!("+1555000{number:04}"), &number.to_string(), "hello").await;
    }
    world.route().await;
    let mut steps = 1;
    while world.advance_behind(3).await.unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_eq!(found(&world, filter("hello")).await.len(), 7);
    assert!(!world.advance_behind(3).await.unwrap());
}

pub async fn a_bound_on_time_holds_even_where_times_and_numbers_disagree(world: World) {
    // Telnyx says when it received a message; one that is fetched after the fact comes late.
    for (name, minute) in [("a", 10), ("b", 5), ("c", 20), ("d", 1)] {
        let told = format!(r#""received_at":"2023-11-14T22:{minute:02}:00Z","text""#);
        let body = inbound(name, PARTY, "hello").replace("\"text\"", &told);
        world.record(&format!("e-{name}"), body).await;
    }
    world.route().await;
    for _ in 0..2 {
        assert_eq!(found(&world, filter("before:2023-11-14T22:07:00Z")).await, ["m-d", "m-b"]);
        assert_eq!(found(&world, filter("after:2023-11-14T22:10:00Z")).await, ["m-c", "m-a"]);
        assert_eq!(
            found(&world, filter("after:2023-11-14T22:05:00Z before:2023-11-14T22:06:00Z")).await,
            ["m-b"]
        );
        catch_up(&world).await;
    }
}

pub async fn a_search_of_any_bytes_is_answered(world: World) {
    world.text("a", "hello").await;
    world.route().await;
    catch_up(&world).await;
    for text in
        ["\"a", "* OR", "a AND", "NEAR(hello, 2)", "{words}:x", "hello\0world", "^hello", "'; drop table x"]
    {
        let search = match Search::parse(text, Timestamp::from_seconds(0)) {
            Ok(search) => search,
            Err(error) => panic!("{text}: {error}"),
        };
        let filter = MessageFilter { search, ..MessageFilter::default() };
        world.messages(filter, PageRequest::default()).await.unwrap();
    }
}
