//! The promises of `trait Store`, one function each, written against the trait. A back end runs them with one line:
//! `conformance!(open);` where `open` makes an empty store.

pub mod claiming;
pub mod ingest;
pub mod jobs;
pub mod lists;
pub mod ordering;
pub mod replaying;
pub mod retention;
pub mod routing;
pub mod searching;
pub mod sending;
pub mod world;

/// Makes a test of every promise for the back end that `$open` opens.
macro_rules! conformance {
    ($open:path) => {
        crate::conformance::promises! { $open;
            ingest: simultaneous_copies_of_an_event_are_one_event_and_counted_repeats;
            ingest: events_get_positions_without_gaps;
            ingest: bytes_come_back_exactly;
            ingest: only_the_newest_thousand_rejections_are_kept;
            ingest: a_commit_that_changes_something_is_told;
            ingest: the_first_value_of_a_setting_is_kept;
            routing: an_inbound_message_makes_everything_it_should;
            routing: every_event_is_routed_once_and_in_order;
            routing: an_unreadable_event_is_kept_and_handed_on;
            routing: a_second_event_of_a_message_makes_deliveries_only;
            routing: a_nul_in_a_text_is_replaced;
            routing: a_conversation_counts_its_messages;
            routing: stop_opts_out_and_start_opts_in_again;
            routing: a_delivery_is_due_after_the_first_wait;
            claiming: a_job_has_one_owner_at_a_time;
            claiming: an_old_token_is_refused;
            claiming: an_expired_lease_returns_the_job;
            claiming: a_job_that_always_loses_its_lease_becomes_a_dead_letter;
            claiming: a_released_job_was_not_tried;
            claiming: the_oldest_due_job_comes_first;
            claiming: a_paused_destination_gives_nothing;
            claiming: ten_thousand_due_jobs_delay_nobody_else;
            claiming: recovery_returns_every_lease;
            claiming: a_claim_hands_out_no_more_than_memory_should_hold;
            claiming: attempts_are_recorded_together_and_a_lost_lease_spoils_none_of_the_others;
            ordering: a_conversation_is_delivered_in_order;
            ordering: a_failing_head_blocks_only_its_conversation;
            ordering: every_end_of_the_head_lets_the_next_go;
            ordering: events_without_a_conversation_are_unordered;
            ordering: what_was_routed_to_a_destination_without_order_has_none;
            ordering: blocked_jobs_are_not_due;
            jobs: a_failed_attempt_is_tried_again_when_due;
            jobs: a_dead_letter_is_retried_from_the_start_of_its_schedule;
            jobs: a_discarded_job_stays_away;
            jobs: only_some_states_can_be_changed_by_hand;
            jobs: bulk_changes_mean_dead_letters_unless_told_otherwise;
            jobs: bulk_changes_go_in_steps_and_can_be_counted_first;
            jobs: gone_pauses_the_destination;
            jobs: a_retry_of_a_destination_is_noted_even_where_no_job_matches;
            jobs: a_resumed_destination_is_tried_now;
            jobs: an_archived_attachment_is_seen_at_its_message;
            jobs: an_attachment_follows_its_job;
            jobs: purging_leaves_what_is_not_finished;
            jobs: a_destination_shows_its_backlog;
            sending: a_reply_goes_out_once;
            sending: the_guard_counts_what_was_sent;
            sending: a_party_that_opted_out_gets_nothing;
            sending: a_refusal_by_telnyx_is_remembered;
            sending: a_send_without_an_answer_is_unknown_until_a_person_says_so;
            sending: a_receipt_proves_an_unknown_send;
            sending: a_receipt_before_the_answer_keeps_the_job_done;
            sending: a_receipt_after_a_retry_by_hand_keeps_the_message_from_going_out_again;
            sending: a_receipt_stops_a_retried_send_that_is_about_to_go_out;
            sending: a_message_that_a_receipt_has_named_is_not_sent_again;
            sending: a_late_answer_settles_an_unknown_send;
            sending: the_same_key_names_the_same_send;
            replaying: a_replay_makes_one_delivery_for_each_matching_event;
            replaying: a_replay_leaves_out_what_came_later;
            replaying: a_replay_hands_on_the_types_that_the_destination_takes;
            replaying: a_replay_hands_on_what_the_condition_of_the_destination_lets_through;
            replaying: a_replay_reads_the_message_from_the_event_where_it_is_not_kept_any_more;
            replaying: a_cancelled_replay_makes_no_more_jobs;
            lists: every_list_can_be_paged_to_its_end;
            lists: events_are_found_by_every_filter_before_and_after_routing;
            lists: messages_are_found_by_every_filter;
            lists: jobs_are_found_by_every_filter;
            lists: the_stream_shows_events_and_attempts_once;
            lists: counts_agree_with_the_rows;
            searching: a_text_is_found_by_its_words_newest_first;
            searching: words_and_conditions_hold_together;
            searching: a_text_that_changes_is_found_by_its_new_words;
            searching: what_is_filled_behind_is_filled_in_steps_of_a_bounded_size;
            searching: a_bound_on_time_holds_even_where_times_and_numbers_disagree;
            searching: a_search_of_any_bytes_is_answered;
            retention: old_events_go_and_their_repeats_stay_duplicates;
            retention: an_event_with_work_left_stays;
            retention: old_messages_go_with_their_texts_and_conversations_count_what_is_left;
            retention: the_unread_ones_are_the_newest_that_came_in;
            retention: the_bytes_of_an_attachment_go_with_its_last_message;
            retention: an_attachment_that_comes_again_is_not_unused;
        }
    };
}
pub(crate) use conformance;

/// Makes the tests of [`conformance`].
macro_rules! promises {
    ($open:path; $($module:ident: $promise:ident;)+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                crate::conformance::$module::$promise($open().await).await;
            }
        )+
    };
}
pub(crate) use promises;
