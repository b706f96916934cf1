use anteroom_protocol::ErrorCode;
use anteroom_protocol::message::request::ListRooms;

use super::filters::ANY;
use super::*;

fn asked(sort: Option<&str>, cursor: Option<String>, limit: u16) -> ListRooms {
    ListRooms { sort: sort.map(str::to_owned), cursor, limit: Some(limit), ..ListRooms::default() }
}

fn numbers(list: &RoomList) -> Vec<u8> {
    let number = |room: &RoomSummary| (0..=u8::MAX).find(|number| id(*number) == room.room_id).unwrap();
    list.rooms.iter().map(number).collect()
}

/// All pages, one after the other; in between rooms come and go.
fn pages(listing: &mut Listing, sort: Option<&str>, mut between: impl FnMut(&mut Listing)) -> Vec<Vec<u8>> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let list = listing.list(&Query::parse(&asked(sort, cursor, 2), ANY).unwrap());
        pages.push(numbers(&list));
        cursor = list.next;
        if cursor.is_none() {
            return pages;
        }
        between(listing);
    }
}

fn named(names: &[(u8, &str, u16)]) -> Listing {
    let mut listing = Listing::new();
    for (id, name, players) in names {
        listing.put(here(RoomSummary { name: (*name).to_owned(), ..row(*id, "a", *players) }, *players));
    }
    listing
}

#[test]
fn pages_are_in_order_and_have_each_room_once() {
    let mut listing = named(&[(1, "d", 1), (2, "a", 2), (3, "c", 1), (4, "b", 0), (5, "a", 2)]);
    let mut all = |sort: &str| pages(&mut listing, Some(sort), |_| {}).concat();
    assert_eq!(all("name"), [5, 2, 4, 3, 1]);
    assert_eq!(all("-name"), [1, 3, 4, 5, 2]);
    assert_eq!(all("players"), [4, 3, 1, 5, 2]);
    assert_eq!(all("-players"), [5, 2, 3, 1, 4]);
    assert_eq!(all("-free_seats"), [4, 3, 1, 5, 2]);
    assert_eq!(all("data.level"), [5, 4, 3, 2, 1], "none has it");
    assert_eq!(all("locked"), [5, 4, 3, 2, 1]);
    assert_eq!(pages(&mut listing, None, |_| {}), [vec![5, 4], vec![3, 2], vec![1]]);
}

#[test]
fn rooms_that_come_and_go_move_no_page() {
    let names = [(1, "a", 1), (2, "b", 1), (3, "c", 1), (4, "d", 1), (5, "e", 1), (6, "f", 1)];
    let mut come = 10;
    let mut seen = pages(&mut named(&names), None, |listing| {
        // The last of the page goes, and others come in front.
        listing.remove(&id(5));
        listing.put(full_of(come, "a", 1));
        come += 1;
    });
    assert_eq!(seen, [vec![6, 5], vec![4, 3], vec![2, 1]]);
    seen = pages(&mut named(&names), Some("name"), |listing| {
        listing.remove(&id(2));
        listing.put(here(RoomSummary { name: "Aa".to_owned(), ..row(9, "a", 1) }, 1));
    });
    assert_eq!(seen, [vec![1, 2], vec![3, 4], vec![5, 6]]);
}

#[test]
fn a_long_name_is_sorted_by_its_beginning_and_no_room_is_lost() {
    let long = "\u{e9}".repeat(100);
    let names: Vec<(u8, &str, u16)> = (1..=5).map(|number| (number, &*long, 1)).collect();
    assert_eq!(pages(&mut named(&names), Some("name"), |_| {}).concat(), [5, 4, 3, 2, 1]);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let refuse =
        |asked: &ListRooms| assert_eq!(Query::parse(asked, ANY).unwrap_err().code, ErrorCode::InvalidData, "{asked:?}");
    for limit in [0, 501, u16::MAX] {
        refuse(&asked(None, None, limit));
    }
    for sort in ["", "-", "age", "--name", "data.", "Name"] {
        refuse(&asked(Some(sort), None, 1));
    }
    let long = format!("1.s{}", "61".repeat(80));
    for cursor in
        ["", "x", "-1", "+1", "01", "1.", "1.x", "1.s6", "1.sff", "1.s\u{e9}", "1.d", "1.tt", "1.n1", "1FF", &long]
    {
        refuse(&asked(Some("name"), Some(cursor.to_owned()), 1));
        refuse(&asked(None, Some(cursor.to_owned()), 1));
    }
    // Of another question.
    refuse(&asked(None, Some("1.n".to_owned()), 1));
    refuse(&asked(Some("name"), Some("1".to_owned()), 1));
    let most = Query::parse(&asked(Some("name"), Some("1.s61".to_owned()), 500), ANY).unwrap();
    assert!(!most.is_plain() && Query::parse(&asked(None, None, 100), ANY).unwrap().is_plain());
}

#[test]
fn a_hundred_are_listed_if_nobody_says_how_many() {
    let mut listing = Listing::new();
    (0..120).for_each(|number| listing.put(full_of(number, "a", 1)));
    let list = listing.list(&Query::parse(&ListRooms::default(), ANY).unwrap());
    assert_eq!((list.rooms.len(), list.total, list.next.is_some()), (100, 120, true));
}
