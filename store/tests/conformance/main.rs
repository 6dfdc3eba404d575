//! One suite, every engine: each promise of the store on SQLite and on a PostgreSQL of the test's own.

mod admission;
mod apply;
mod audit;
mod feed;
mod fold;
mod full;
mod held;
mod intake;
mod make;
mod opening;
mod receipt;
mod unsettled;
mod verify;

use std::pin::Pin;

use store::Store;
use store::testing::{Cluster, sqlite, stand_on};

type Check = (&'static str, fn(Store) -> Pin<Box<dyn Future<Output = ()>>>);

macro_rules! checks {
    ($($room:ident :: $name:ident),+ $(,)?) => {
        &[$((concat!(stringify!($room), "::", stringify!($name)), |store| Box::pin($room::$name(store)))),+]
    };
}

const CHECKS: &[Check] = checks![
    intake::offsets_are_dense_and_known_items_are_passed_over,
    intake::a_header_known_in_part_is_taken_again_when_it_comes_whole,
    intake::cursors_move_on_only,
    intake::wants_are_put_once,
    intake::wants_of_single_statements_are_bounded_and_counted,
    held::a_hold_keeps_its_first_sequence,
    held::one_origin_has_so_many_logs_held_and_no_more,
    held::one_peer_has_brought_so_many_held_logs_and_no_more,
    held::a_stop_survives_and_keeps_its_first_reason,
    held::statements_wait_within_the_share_of_their_peer,
    held::what_a_peer_refused_is_offered_again_under_another_release,
    held::items_that_are_not_read_wait_within_the_share_of_their_peer,
    held::evidence_is_kept_once,
    held::so_much_evidence_against_one_seat_is_kept_and_no_more,
    intake::a_header_needs_its_verified_identity_and_opening,
    intake::unread_statements_stay_within_the_share_of_their_seat,
    intake::an_unread_statement_is_read_later,
    intake::parts_of_a_batch_are_kept_until_it_is_whole,
    intake::a_block_that_is_rewritten_keeps_its_place,
    intake::steps_of_one_transaction_have_its_token,
    receipt::a_receipt_is_replaced_by_what_reaches_further_and_by_no_clock,
    receipt::a_feed_head_moves_on_only,
    intake::concurrent_groups_stay_whole_and_dense,
    intake::a_dropped_group_leaves_all_or_nothing,
    full::a_statement_that_fails_leaves_nothing_and_no_mark,
    feed::a_page_holds_one_class_without_the_reader_s_own,
    feed::a_page_ends_by_bytes_and_items_and_tells_where,
    feed::a_filtered_page_unites_the_positions_of_its_regions,
    feed::a_log_is_read_in_order_of_sequence,
    apply::the_greatest_version_stays,
    apply::thousands_of_records_go_in_and_come_out,
    apply::a_subject_changes_only_when_told,
    apply::entities_move_and_leave,
    apply::only_what_lies_in_the_region_leaves_it,
    apply::digests_hold_what_has_not_left,
    apply::events_become_routed_items,
    apply::refusals_open_and_close,
    apply::a_subject_made_dirty_again_is_folded_again,
    fold::search_finds_what_a_scan_finds_in_its_order,
    fold::nothing_in_a_search_text_is_special,
    fold::a_renamed_entity_is_found_by_its_new_name_only,
    fold::entities_are_counted,
    unsettled::the_list_is_what_a_scan_finds,
    unsettled::an_entity_is_settled_by_a_later_fold,
    unsettled::what_is_not_an_entity_of_the_group_is_not_taken,
    unsettled::alike_is_found_by_each_fact,
    admission::a_code_is_bound_to_the_first_keys_that_come,
    admission::a_code_that_is_over_lets_nobody_in,
    admission::a_request_is_decided_once,
    admission::an_organisation_code_is_given_to_one_only,
    admission::a_seat_is_called_back_with_the_codes_for_it,
    admission::a_peer_with_renewed_keys_is_pinned_anew,
    admission::peers_keep_their_last_contact,
    admission::accounts_are_found_by_their_name,
    admission::the_oldest_sessions_go_first,
    admission::a_session_lasts_until_its_limits,
    admission::a_change_of_an_account_ends_the_sessions_that_it_should,
    admission::the_last_of_the_role_that_must_stay_stays,
    audit::no_act_is_done_without_its_row,
    audit::acts_are_found_by_what_they_are,
    audit::the_same_act_again_is_not_written_again,
    audit::an_untouched_chain_fits,
    opening::small_values_are_kept,
    opening::text_keeps_four_byte_characters_and_refuses_nul,
    opening::figures_add_up,
    verify::the_log_is_read_row_by_row,
    verify::views_are_read_row_by_row,
];

#[test]
fn sqlite_keeps_every_promise() {
    runtime().block_on(async {
        for (name, check) in CHECKS {
            println!("sqlite {name}");
            let (store, _folder) = sqlite().await;
            stand_on(&store, make::ground()).await;
            check(store.clone()).await;
            store.close().await;
        }
        opening::a_second_process_is_kept_out_of_the_folder().await;
        opening::a_store_survives_its_process().await;
        opening::a_database_of_the_former_cut_is_told().await;
        unsettled::an_older_database_is_folded_anew().await;
        full::a_full_file_loses_nothing_and_heals_by_itself().await;
        full::a_full_disk_under_sqlite_heals_by_itself().await;
        audit::what_was_done_to_the_record_is_found().await;
        audit::an_older_record_is_kept_beside_the_chain().await;
    });
}

#[test]
fn postgres_keeps_every_promise() {
    let cluster = Cluster::start();
    runtime().block_on(async {
        for (name, check) in CHECKS {
            println!("postgres {name}");
            let store = cluster.store().await;
            stand_on(&store, make::ground()).await;
            check(store.clone()).await;
            store.close().await;
        }
        opening::a_second_process_is_kept_out_of_the_database(&cluster).await;
        opening::a_process_that_lost_its_lock_cannot_write(&cluster).await;
        full::connections_that_end_cost_no_writer_a_failure(&cluster).await;
        audit::what_was_done_to_the_record_of_a_server_is_found(&cluster).await;
        // last: the server makes no further database once a disk of its own is gone
        full::a_full_disk_under_postgres_heals_by_itself(&cluster).await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts")
}
