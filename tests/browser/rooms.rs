//! The demo in real Chromium: what people do in rooms besides playing. Bots, doors, talk, seats, and players who are away.

use anteroom_core::Registry;
use anteroom_tests::browser;
use anteroom_tests::server::TestServer;
use serde_json::{Value, json};

use crate::parlor::with_parlor;

async fn tell(story: &str) -> Option<Value> {
    tell_with(anteroom_games::registry().unwrap(), story).await
}

async fn tell_with(games: Registry, story: &str) -> Option<Value> {
    let server = TestServer::with_games(games, |_| ());
    let about = json!({"url": format!("http://{}", server.addr())});
    browser::tell(story, &about, browser::nothing).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_alone_plays_a_bot_at_the_first_press() {
    if let Some(told) = tell("alone.mjs").await {
        println!("{} ms from the opening of the page to the first turn", told["ms"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_open_to_an_invite_and_to_a_password_and_not_to_whom_the_owner_sent_out() {
    tell("doors.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_say_at_a_table_is_text_that_may_be_changed_and_read_later() {
    tell("talk.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_watches_gets_the_seat_they_queue_for() {
    tell("seats.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_plays_for_somebody_who_is_away_until_they_are_back() {
    tell("absence.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_begins_when_all_are_ready_and_goes_on_without_somebody_if_they_vote_for_it() {
    tell_with(with_parlor(), "parlor.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_forms_are_made_of_what_they_are_given() {
    tell("modules.mjs").await;
}
