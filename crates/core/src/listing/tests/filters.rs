use anteroom_protocol::message::request::ListRooms;
use anteroom_protocol::{ErrorBody, ErrorCode, Json};

use super::filter::Searchable;
use super::*;

/// All data is in lists.
pub(super) const ANY: Searchable<'static> = &|_, _| true;

fn json(text: &str) -> Json {
    Json::from_text(text.to_owned()).unwrap()
}

fn filter(text: &str) -> Filter {
    Filter::parse(None, Some(&json(text)), ANY).unwrap()
}

/// Where a filter is wrong, and why.
fn refused(text: &str) -> (u64, String) {
    #[derive(Deserialize)]
    struct Details {
        position: u64,
        reason: String,
    }
    let ErrorBody { code, details, .. } = Filter::parse(None, Some(&json(text)), ANY).unwrap_err();
    assert_eq!(code, ErrorCode::InvalidData);
    let Details { position, reason } = details.unwrap().decode().unwrap();
    (position, reason)
}

fn with_data(id: u8, data: &[(&str, &str)]) -> RoomSummary {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), json(value))).collect();
    RoomSummary { data, ..row(id, "a", 1) }
}

#[test]
fn each_key_is_compared_in_each_way_it_may_be() {
    let room = RoomSummary {
        state: RoomState::Playing,
        locked: true,
        created_at_ms: 1_700_000_000_000,
        ..with_data(7, &[("mode", r#""ranked""#), ("level", "3"), ("open", "true"), ("odd", "[1]")])
    };
    for passes in [
        r#"[["game","=","a"]]"#,
        r#"[["game","!=","b"]]"#,
        r#"[["game","in",["b","a"]]]"#,
        r#"[["state","=","playing"]]"#,
        r#"[["state","in",["waiting","playing"]]]"#,
        r#"[["free_seats",">",0],["free_seats","<",2],["free_seats",">=",1],["free_seats","<=",1.0]]"#,
        r#"[["players","=",1]]"#,
        r#"[["has_password","=",false],["locked","!=",false],["durable","in",[false]]]"#,
        r#"[["created_at_ms",">=",1700000000000]]"#,
        r#"[["name","=","Room 7"],["name",">","Room"]]"#,
        r#"[["data.mode","=","ranked"],["data.level","<",4],["data.level","in",[1,3.0]],["data.open","=",true]]"#,
        r#"[["data.gone","=",null],["data.gone","!=",1],["data.odd","=",null],["data.level","!=","3"]]"#,
        "[]",
    ] {
        assert!(filter(passes).passes(&room), "{passes}");
    }
    for fails in [
        r#"[["game","=","b"]]"#,
        r#"[["state","!=","playing"]]"#,
        r#"[["players","=",1],["free_seats",">",1]]"#,
        r#"[["created_at_ms","<",1700000000000]]"#,
        r#"[["game","in",[]]]"#,
        r#"[["data.mode",">",1]]"#,
        r#"[["data.gone","<",1]]"#,
        r#"[["data.gone",">=",0]]"#,
        r#"[["data.mode","=",null]]"#,
        r#"[["game","=","a"],["game","=","b"]]"#,
    ] {
        assert!(!filter(fails).passes(&room), "{fails}");
    }
}

#[test]
fn a_filter_that_does_not_parse_says_where_and_why() {
    for (text, position, reason) in [
        ("{}", 0, "list of [key"),
        (r#""game""#, 0, "list of [key"),
        (r#"[["game","=","a"],["game","="]]"#, 1, "[key, op, value]"),
        (r#"[["game","=","a"],7]"#, 1, "[key, op, value]"),
        (r#"[["game","=","a"],["x","=",1]]"#, 1, "key must be"),
        (r#"[[1,"=",1]]"#, 0, "key must be"),
        (r#"[["data.","=",1]]"#, 0, "key must be"),
        (r#"[["game","like","a"]]"#, 0, "operator"),
        (r#"[["game","=",1]]"#, 0, "a string"),
        (r#"[["game","in","a"]]"#, 0, "list of values"),
        (r#"[["game","in",["a",1]]]"#, 0, "a string"),
        (r#"[["players","=",1],["players",">","1"]]"#, 1, "a number"),
        (r#"[["players","=",null]]"#, 0, "a number"),
        (r#"[["locked","=",1]]"#, 0, "true or false"),
        (r#"[["locked","<",true]]"#, 0, "= or !="),
        (r#"[["data.x","=",{}]]"#, 0, "no value"),
        (r#"[["data.x","in",[[1]]]]"#, 0, "no value"),
    ] {
        let (at, why) = refused(text);
        assert!(at == position && why.contains(reason), "{text}: {at} {why}");
    }
}

#[test]
fn a_filter_is_bounded() {
    let parts = |count: u32| format!("[{}]", vec![r#"["players",">",0]"#; count as usize].join(","));
    assert!(filter(&parts(8)).passes(&row(1, "a", 1)));
    assert_eq!(refused(&parts(9)).0, 8);
    let values = |count: u32| format!(r#"[["players","in",{:?}]]"#, (0..count).collect::<Vec<_>>());
    assert!(filter(&values(32)).passes(&row(1, "a", 1)));
    assert_eq!(refused(&values(33)).0, 0);
    let name = |bytes: usize| format!(r#"[["name","=","{}"]]"#, "x".repeat(bytes));
    filter(&name(2048 - name(0).len()));
    assert!(refused(&name(2049 - name(0).len())).1.contains("2048"));
    let key = |bytes: usize| format!(r#"[["data.{}","=",1]]"#, "x".repeat(bytes));
    filter(&key(64));
    refused(&key(65));
    refused(r#"[["data.\u0007","=",1]]"#);
}

#[test]
fn only_data_that_a_game_has_in_lists_is_asked_for() {
    let searchable = |game: Option<&str>, key: &str| key == "mode" && game != Some("plain");
    let read = |game, text| Filter::parse(game, Some(&json(text)), &searchable);
    let at = |game, text| {
        let refused: ErrorBody = read(game, text).unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidData);
        let details: BTreeMap<String, Json> = refused.details.unwrap().decode().unwrap();
        assert!(details["reason"].text().contains("not in lists"), "{text}");
        details["position"].text().to_owned()
    };
    assert!(read(None, r#"[["data.mode","=","ranked"]]"#).is_ok());
    assert!(read(Some("a"), r#"[["data.mode","=","ranked"]]"#).is_ok());
    assert_eq!(at(None, r#"[["players",">",0],["data.secret","=",1]]"#), "1");
    assert_eq!(at(Some("plain"), r#"[["data.mode","=",1]]"#), "0");
    // Wherever the game is named.
    assert_eq!(at(None, r#"[["data.mode","=",1],["game","=","plain"]]"#), "0");
    let sort = |sort: &str| {
        let asked = ListRooms { sort: Some(sort.into()), ..ListRooms::default() };
        Query::parse(&asked, &searchable).map(drop).map_err(|error| error.code)
    };
    assert_eq!(sort("-data.mode"), Ok(()));
    assert_eq!(sort("data.secret"), Err(ErrorCode::InvalidData));
}

#[test]
fn data_that_is_asked_for_is_no_more_than_a_room_may_have() {
    let value = |bytes: usize| format!(r#"[["data.mode","=","{}"]]"#, "x".repeat(bytes - 2));
    assert_eq!(filter(&value(1024)).wanted_data()["mode"].text().len(), 1024);
    let (at, why) = refused(&value(1025));
    assert!(at == 0 && why.contains("1024"), "{at} {why}");
    assert_eq!(refused(&value(1025).replace(r#""=","#, r#""in",["#).replace("]]", "]]]")).0, 0);
}

#[test]
fn filters_that_mean_the_same_are_equal() {
    let one = filter(r#"[["players",">",0],["game","=","a"],["state","in",["playing","waiting"]]]"#);
    let same = r#"[["state","in",["waiting","playing","waiting"]],["players",">",0.0],["players",">",0]]"#;
    assert_eq!(one, Filter::parse(Some("a"), Some(&json(same)), ANY).unwrap());
    assert_eq!(filter(r#"[["game","in",["a"]]]"#), Filter::of_game(Some("a")));
    assert_eq!(filter("[]"), Filter::parse(None, Some(&json("null")), ANY).unwrap());
    assert_ne!(one, filter(r#"[["players",">",0]]"#));
    // As it is written it is read again.
    let parts = one.json().unwrap();
    assert_eq!(parts.text(), r#"[["state","in",["playing","waiting"]],["players",">",0]]"#);
    assert_eq!(Filter::parse(one.game(), Some(&parts), ANY).unwrap(), one);
    assert_eq!(filter("[]").json(), None);
}

#[test]
fn a_room_that_comes_to_pass_a_filter_is_added_for_those_who_watch_it() {
    let free = filter(r#"[["free_seats",">",0]]"#);
    let mut listing = Listing::new();
    listing.put(full_of(1, "a", 2));
    listing.put(full_of(2, "a", 1));
    let told = |listing: &mut Listing| listing.take_changes().of(&free);
    assert_eq!(told(&mut listing), RoomsChanged { added: vec![row(2, "a", 1)], ..RoomsChanged::default() });
    assert_eq!(listing.published(&free).rooms, [row(2, "a", 1)]);
    listing.put(full_of(1, "a", 1));
    listing.put(full_of(2, "a", 2));
    assert_eq!(listing.published(&free).rooms, [row(2, "a", 1)], "it is not published yet");
    let changed = RoomsChanged { added: vec![row(1, "a", 1)], updated: vec![], removed: vec![id(2)] };
    assert_eq!(told(&mut listing), changed);
    listing.put(full_of(1, "a", 0));
    listing.put(full_of(3, "a", 2));
    let changed = RoomsChanged { updated: vec![row(1, "a", 0)], ..RoomsChanged::default() };
    assert_eq!(told(&mut listing), changed);
    listing.remove(&id(3));
    assert_eq!(told(&mut listing), RoomsChanged::default(), "they never knew of it");
    let list = listing.published(&free);
    assert_eq!((list.rooms, list.total), (vec![row(1, "a", 0)], 1));
}

#[test]
fn who_wants_something_is_led_to_a_room_that_has_it_or_that_will() {
    let ranked = Filter::parse(Some("a"), Some(&json(r#"[["data.mode","=","ranked"]]"#)), ANY).unwrap();
    let mut listing = Listing::new();
    listing.put(full_of(1, "a", 1));
    let seek = |listing: &mut Listing, wanted: &Filter, user: &str| {
        listing.seek(wanted, &user.parse().unwrap(), |_| true).map(|(room_id, _)| room_id)
    };
    assert_eq!(seek(&mut listing, &ranked, "x"), None);
    assert_eq!(ranked.wanted_data(), DataMap::from([("mode".to_owned(), json(r#""ranked""#))]));
    listing.promise(id(2), "a", 3, ranked.wanted_data());
    assert_eq!(seek(&mut listing, &ranked, "y"), Some(id(2)), "it is being made");
    let company = Filter::parse(Some("a"), Some(&json(r#"[["players",">=",2]]"#)), ANY).unwrap();
    assert_eq!(seek(&mut listing, &company, "z"), Some(id(2)), "who knocks there is company");
    assert_eq!(seek(&mut listing, &company, "v"), None);
    // A seat of one's own is no reason to go where one does not want to.
    listing.put(without(row(4, "a", 2), 1, &["ada"]));
    assert_eq!(seek(&mut listing, &ranked, "ada"), None);
    assert_eq!(seek(&mut listing, &of(Some("a")), "ada"), Some(id(4)));
    assert_eq!(seek(&mut listing, &of(None), "ada"), None, "of no game");
}

#[test]
fn a_page_has_what_passes_and_counts_it() {
    let mut listing = Listing::new();
    for number in 0..10 {
        listing.put(here(with_data(number, &[("level", &(number % 3).to_string())]), 1));
    }
    let asked = ListRooms { filter: Some(json(r#"[["data.level","=",0]]"#)), limit: Some(3), ..ListRooms::default() };
    let list = listing.list(&Query::parse(&asked, ANY).unwrap());
    let rooms: Vec<_> = list.rooms.iter().map(|room| room.room_id).collect();
    assert_eq!((rooms, list.total), (vec![id(9), id(6), id(3)], 4));
    let asked = ListRooms { cursor: list.next, ..asked };
    let list = listing.list(&Query::parse(&asked, ANY).unwrap());
    assert_eq!((list.rooms[0].room_id, list.rooms.len(), list.total, list.next), (id(0), 1, 4, None));
}
