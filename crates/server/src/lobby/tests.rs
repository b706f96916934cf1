use anteroom_core::listing::Presence;
use anteroom_protocol::Json;
use anteroom_protocol::message::RoomState;

use super::*;

fn entry(bits: u128, players: u16) -> Entry {
    let summary = RoomSummary {
        room_id: RoomId::from_bits(bits),
        game: "relay".into(),
        name: "A room".into(),
        players,
        seats_max: 2,
        spectators: 0,
        state: RoomState::Waiting,
        durable: false,
        locked: false,
        has_password: false,
        created_at_ms: 0,
        data: std::collections::BTreeMap::new(),
    };
    Entry { summary, presence: Presence { players, ..Presence::default() } }
}

fn of(game: Option<&str>) -> Filter {
    Filter::of_game(game)
}

fn free_seats(above: u32) -> Filter {
    Filter::parse(None, Some(&Json::new(&[("free_seats", ">", above)]).unwrap()), &|_, _| false).unwrap()
}

fn put(lobby: &Lobby, entry: Entry) {
    lobby.settle(&entry.summary.room_id.clone(), Some(entry), Vec::new());
}

#[test]
fn a_list_is_encoded_once_until_it_changes() {
    let lobby = Lobby::default();
    put(&lobby, entry(1, 1));
    for codec in Codec::ALL {
        for filter in [of(None), of(Some("relay")), free_seats(1)] {
            let list = || lobby.list(Query::newest(filter.clone()), codec).unwrap();
            assert!(Arc::ptr_eq(&list(), &list()));
            let filter = Arc::new(filter.clone());
            let (publication, first) = lobby.published(&filter, codec).unwrap();
            assert_eq!(publication, 0);
            assert!(Arc::ptr_eq(&first, &lobby.published(&filter, codec).unwrap().1));
        }
    }
    let before = lobby.list(Query::newest(of(None)), Codec::Json).unwrap();
    put(&lobby, entry(1, 2));
    let after = lobby.list(Query::newest(of(None)), Codec::Json).unwrap();
    assert!(!Arc::ptr_eq(&before, &after));
    assert_ne!(before.data(), after.data());
    for number in 0..99 {
        lobby.list(Query::newest(of(Some(&format!("no game {number}")))), Codec::Json).unwrap();
        lobby.list(Query::newest(free_seats(number)), Codec::Json).unwrap();
        lobby.published(&Arc::new(free_seats(number)), Codec::Json).unwrap();
    }
    let kept = |state: &State| (state.current.len(), state.published.len());
    assert!(kept(&lobby.lock()) <= (65, 70), "little of what a client makes up is kept: {:?}", kept(&lobby.lock()));
    let known = || lobby.list(Query::newest(of(Some("relay"))), Codec::Json).unwrap();
    assert!(Arc::ptr_eq(&known(), &known()), "what most ask is kept in any case");
}

#[test]
fn a_seat_is_free_again_when_nobody_is_on_the_way_to_it() {
    let lobby = Arc::new(Lobby::default());
    put(&lobby, entry(1, 1));
    let seek = || lobby.seek(&of(Some("relay")), &"eve".parse().unwrap(), |_| true);
    let seat = seek().unwrap();
    assert!(seek().is_none());
    drop(seat);
    let seat = seek().unwrap();
    // The room has let them in.
    lobby.settle(&RoomId::from_bits(1), Some(entry(1, 2)), vec![seat]);
    assert!(seek().is_none());
    put(&lobby, entry(1, 1));
    let _seat = seek().unwrap();
    let mine = RoomId::from_bits(2);
    let promised = lobby.seek_or_promise(&of(Some("relay")), &"eve".parse().unwrap(), |_| true, mine, 2).unwrap();
    assert_eq!((promised.room_id, seek().unwrap().room_id), (mine, mine), "others find a seat there");
}

#[test]
fn many_changes_are_cut_into_messages_of_so_many_rows() {
    for (added, updated, removed) in [(600, 700, 1200), (0, 0, 501), (500, 500, 0), (1, 0, 0), (0, 501, 1)] {
        let rows =
            |from: u128, count: u128| (from..from + count).map(|bits| entry(bits, 1).summary).collect::<Vec<_>>();
        let ids = |from: u128, count: u128| (from..from + count).map(RoomId::from_bits).collect::<Vec<_>>();
        let changed =
            RoomsChanged { added: rows(1, added), updated: rows(10_000, updated), removed: ids(20_000, removed) };
        let mut told = RoomsChanged::default();
        for batch in encode(&changed, Codec::Bincode, &Tally::default()) {
            let mut messages = anteroom_protocol::envelope::decode_batch(Codec::Bincode, batch.payload()).unwrap();
            let mut part: RoomsChanged = messages.next().unwrap().unwrap().data.decode().unwrap();
            let (rows, ids) = (part.added.len() + part.updated.len(), part.removed.len());
            assert!(rows <= 500 && ids <= 500 && rows + ids > 0, "{rows} rows, {ids} ids");
            told.added.append(&mut part.added);
            told.updated.append(&mut part.updated);
            told.removed.append(&mut part.removed);
        }
        assert_eq!(told, changed);
    }
}
