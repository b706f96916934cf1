//! Who is shown what, and what is shared.

use std::sync::Arc;

use crate::rooms::house::House;
use crate::rooms::probe::{Action, Hidden, Open, SEAT_0};

#[test]
fn a_shared_view_is_one_batch_per_codec() {
    let mut house = House::new::<Open>();
    let members = [house.sit("ada"), house.sit("bob"), house.sit("cyd"), house.watch("dan"), house.watch("eve")];
    house.hush();
    house.tell(members[0], Action::Publish {});
    house.flush();
    let batch = |place: usize| &house.lanes[&members[place]].batches[0];
    assert!(members.iter().all(|member| house.lanes[member].batches.len() == 1));
    assert!(Arc::ptr_eq(batch(0), batch(2)) && Arc::ptr_eq(batch(0), batch(4)));
    assert!(Arc::ptr_eq(batch(1), batch(3)));
    assert_ne!(batch(0).codec(), batch(1).codec());
}

#[test]
fn an_answer_has_one_batch_and_the_others_share() {
    let mut house = House::new::<Open>();
    let members = [house.sit("ada"), house.sit("bob"), house.sit("cyd"), house.watch("dan"), house.watch("eve")];
    house.hush();
    house.act(members[0], Action::Publish {});
    house.flush();
    let batch = |place: usize| &house.lanes[&members[place]].batches[0];
    assert!(!Arc::ptr_eq(batch(0), batch(2)));
    assert!(Arc::ptr_eq(batch(2), batch(4)) && Arc::ptr_eq(batch(1), batch(3)));
}

#[test]
fn hidden_information_is_shown_to_its_seat_only() {
    let mut house = House::new::<Hidden>();
    let (ada, bob, eve, fay) = (house.sit("ada"), house.sit("bob"), house.watch("eve"), house.watch("fay"));
    assert_eq!(house.heard(ada)[0], "welcome [ada:0] 0 as 0");
    assert_eq!(house.heard(eve)[0], "welcome [ada:0 bob:1 eve:w] 0");
    house.hush();
    house.act(ada, Action::Publish {});
    house.tell(ada, Action::Whisper { seat: SEAT_0, n: 1 });
    assert_eq!(house.heard(ada), ["ok publish_result", "state 1 as 0", "0 said 1"]);
    assert_eq!(house.heard(bob), ["state 1 as 1"]);
    assert_eq!((house.heard(eve), house.heard(fay)), (vec!["state 1".into()], vec!["state 1".into()]));
}

#[test]
fn a_room_shows_a_view_to_whoever_asks() {
    use anteroom_core::Viewer;
    use anteroom_protocol::Codec;

    use crate::rooms::probe::View;

    let mut house = House::new::<Hidden>();
    let ada = house.sit("ada");
    house.act(ada, Action::Publish {});
    for codec in Codec::ALL {
        let view = house.room.view(Viewer::Seat(SEAT_0), codec).unwrap();
        let expected = View { turn: 1, seat: Some(SEAT_0), unspeakable: Default::default() };
        assert_eq!(view.data().decode::<View>(), Ok(expected));
    }
}
