//! Promises about storing events, rejections and settings.

use futures_util::future::join_all;
use inlet_domain::{EventSeq, NewRejection, PageRequest, Recorded, RejectionCode};

use super::world::{World, at};

pub async fn simultaneous_copies_of_an_event_are_one_event_and_counted_repeats(world: World) {
    let copies = join_all((0..100).map(|_| world.record("e-1", "{}"))).await;
    let new = copies.iter().filter(|copy| **copy == Recorded::New(EventSeq(1))).count();
    let repeats = copies.iter().filter(|copy| **copy == Recorded::Duplicate(EventSeq(1))).count();
    assert_eq!((new, repeats), (1, 99));
    assert_eq!(world.event("e-1").await.unwrap().unwrap().duplicates, 99);
    assert_eq!(world.events(<_>::default(), <_>::default()).await.unwrap().data.len(), 1);
}

pub async fn events_get_positions_without_gaps(world: World) {
    let ids: Vec<String> = (0..200).map(|number| format!("e-{}", number % 150)).collect();
    let recorded = join_all(ids.iter().map(|id| world.record(id, "{}"))).await;
    let mut new: Vec<i64> = recorded
        .iter()
        .filter_map(|recorded| match recorded {
            Recorded::New(seq) => Some(seq.0),
            Recorded::Duplicate(_) => None,
        })
        .collect();
    new.sort_unstable();
    assert_eq!(new, (1..=150).collect::<Vec<_>>());
    assert_eq!(world.backlog().await.unwrap(), (EventSeq(150), 150));
}

pub async fn bytes_come_back_exactly(world: World) {
    let bodies: [&[u8]; 5] =
        [b"", b"\0", b"\xff\xfe{", b"{\"data\":{\"id\":\"e\",\"id\":\"f\"}}", b"\xed\xa0\x80"];
    for (number, body) in bodies.iter().enumerate() {
        world.record(&format!("e-{number}"), body.to_vec()).await;
    }
    for (number, body) in bodies.iter().enumerate() {
        let id = format!("e-{number}");
        assert_eq!(world.event_body(&id).await.unwrap().as_deref(), Some(*body));
        assert_eq!(world.event(&id).await.unwrap().unwrap().size_bytes, body.len() as i64);
    }
    assert_eq!(world.event_body("e-9").await.unwrap(), None);
    assert!(world.event("e-9").await.unwrap().is_none());
}

pub async fn only_the_newest_thousand_rejections_are_kept(world: World) {
    let rejections = |range: std::ops::Range<i64>| {
        let one = |number| NewRejection {
            code: RejectionCode::SignatureMismatch,
            reason: format!("no\0 key {number}"),
            received_at: at(number),
            size_bytes: number,
            peer: "127.0.0.1:1".to_owned(),
        };
        range.map(one).collect::<Vec<_>>()
    };
    world.record_rejections(rejections(0..700)).await.unwrap();
    world.record_rejections(rejections(700..1_200)).await.unwrap();
    let page = world.rejections(PageRequest { limit: 1_000, cursor: None }).await.unwrap();
    assert_eq!((page.data.len(), page.next), (1_000, None));
    assert_eq!(page.data[0].reason, "no\u{fffd} key 1199");
    assert_eq!(page.data[999].size_bytes, 200);
}

pub async fn a_commit_that_changes_something_is_told(world: World) {
    let mut changes = world.changes();
    changes.borrow_and_update();
    world.record("e-1", "{}").await;
    assert!(changes.has_changed().unwrap());
    changes.borrow_and_update();
    world.route().await;
    changes.borrow_and_update();
    // Looking for work and finding none must not look like work: the engine would never rest.
    world.claim(super::world::crm(), 1, -1).await;
    world.expire_leases(at(0)).await.unwrap();
    world.route().await;
    assert!(!changes.has_changed().unwrap());
}

pub async fn the_first_value_of_a_setting_is_kept(world: World) {
    assert_eq!(world.setting("key").await.unwrap(), None);
    assert_eq!(world.keep_setting("key", vec![0, 255]).await.unwrap(), [0, 255]);
    assert_eq!(world.keep_setting("key", vec![1]).await.unwrap(), [0, 255]);
    assert_eq!(world.setting("key").await.unwrap(), Some(vec![0, 255]));
}
