//! Which binary shapes a client was built with, and whether they are still those of this server.
//!
//! A schema has a name and freezes the shapes that there were when it was released. A client that names a released one is
//! served binary for as long as none of these shapes has changed; types that came later are nothing to it, since clients
//! ignore what they do not know.

use super::row::{Row, Shape};
use super::table::{NAMED_SHAPES, ROWS};

/// The shapes of one release.
#[derive(Debug)]
pub struct Schema<'a> {
    /// What clients that were built with it say.
    pub name: &'a str,
    /// Each binary shape of [`ROWS`] and [`NAMED_SHAPES`] by its name, as [`shape_hash`] has it.
    pub shapes: &'a [(&'a str, u64)],
}

/// The schemas of all releases, the newest last.
///
/// No row is ever changed. A release whose shapes are not those of the last one adds its own, under the name that
/// [`crate::SCHEMA`] has then.
pub const RELEASED: &[Schema<'_>] = &[Schema {
    // A hash of the golden vectors, as they were.
    name: "f625d0cd82f61bb4",
    shapes: &[
        ("resume", 0x4eef_385d_227b_093c),
        ("ack", 0xabaa_d1d2_34e9_b7c5),
        ("ping", 0xbd84_7dbe_1a38_edc4),
        ("list_rooms", 0x3412_5f8e_72c6_bddd),
        ("list_rooms_result", 0xa1a8_3487_6255_c27b),
        ("subscribe_rooms", 0x3412_5f8e_72c6_bddd),
        ("subscribe_rooms_result", 0xa1a8_3487_6255_c27b),
        ("unsubscribe_rooms", 0xcbf2_9ce4_8422_2325),
        ("unsubscribe_rooms_result", 0xcbf2_9ce4_8422_2325),
        ("create_room", 0x6133_6545_77fa_762c),
        ("create_room_result", 0x6a1d_1e3b_785f_a452),
        ("join_room", 0x549e_895a_4d17_684e),
        ("join_room_result", 0x6a1d_1e3b_785f_a452),
        ("leave_room", 0x531e_43c3_06b3_8c16),
        ("leave_room_result", 0xcbf2_9ce4_8422_2325),
        ("pong", 0xef97_3f3f_d9e0_f1e1),
        ("error", 0xcbf2_9ce4_8422_2325),
        ("lane", 0x215b_81e7_424d_81b8),
        ("session_state", 0x320a_4baa_6095_db09),
        ("rooms_changed", 0x606a_8784_e198_abdc),
        ("client_joined", 0x7516_78ad_b0aa_2b23),
        ("client_disconnected", 0x6aed_055d_f813_69aa),
        ("client_reconnected", 0x5c8e_3793_2d13_6776),
        ("client_left", 0x108c_6210_2268_3e39),
        ("room_closed", 0x4b72_0434_d9a0_5dc5),
        ("envelope", 0x098f_b4a4_a51c_28b1),
        ("Error", 0x9f1c_8820_fde2_3a14),
        ("Member", 0x96fd_31a4_bf15_085b),
        ("Room", 0x363e_9416_ee7a_8bf0),
        ("Counts", 0x2efc_82c4_d82d_7312),
        ("LaneOfRoom", 0x5906_ac68_e576_3b99),
        ("Subscription", 0x7c19_07da_a217_f34b),
        ("Role", 0xae9e_8e0d_1c22_dcd0),
        ("RoomState", 0xb59a_504e_fa9e_d657),
        ("LeftReason", 0x6c27_7efb_d42a_724a),
        ("ClosedReason", 0x3847_2b6c_0dc9_90e7),
    ],
}];

/// How many shapes there are now.
const SHAPES_NOW: usize = {
    let (mut count, mut at) = (NAMED_SHAPES.len(), 0);
    while at < ROWS.len() {
        if matches!(ROWS[at].shape, Shape::Binary(_)) {
            count += 1;
        }
        at += 1;
    }
    count
};

/// The shapes there are now.
const NOW: [(&str, u64); SHAPES_NOW] = {
    let mut shapes = [("", 0); SHAPES_NOW];
    let (mut count, mut at) = (0, 0);
    while at < ROWS.len() {
        let Row { name, shape, .. } = ROWS[at];
        if let Shape::Binary(shape) = shape {
            shapes[count] = (name, shape_hash(shape));
            count += 1;
        }
        at += 1;
    }
    at = 0;
    while at < NAMED_SHAPES.len() {
        let (name, shape) = NAMED_SHAPES[at];
        shapes[count] = (name, shape_hash(shape));
        count += 1;
        at += 1;
    }
    shapes
};

/// The shapes that this build has: named as they were released, or by a hash of all of them if they were not.
pub const CURRENT: Schema<'_> = {
    let newest = &RELEASED[RELEASED.len() - 1];
    let is_released = newest.is_unchanged_in(&NOW) && newest.shapes.len() == NOW.len();
    Schema { name: if is_released { newest.name } else { NAME_NOW }, shapes: &NOW }
};

/// Sixteen hexadecimal digits of the hash of all there is now.
const NAME_NOW: &str = match std::str::from_utf8(&DIGITS_NOW) {
    Ok(name) => name,
    Err(_) => "",
};

const DIGITS_NOW: [u8; 16] = {
    let (mut hash, mut at) = (FNV_BASIS, 0);
    while at < NOW.len() {
        hash = fnv_1a(fnv_1a(hash, NOW[at].0.as_bytes()), &NOW[at].1.to_be_bytes());
        at += 1;
    }
    let mut digits = [0; 16];
    let mut place = 0;
    while place < digits.len() {
        digits[place] = b"0123456789abcdef"[(hash >> (60 - 4 * place)) as usize & 15];
        place += 1;
    }
    digits
};

impl Schema<'_> {
    /// Whether none of its shapes is another, or missing, among these.
    #[must_use]
    pub const fn is_unchanged_in(&self, shapes: &[(&str, u64)]) -> bool {
        let mut at = 0;
        while at < self.shapes.len() {
            let (name, hash) = self.shapes[at];
            if !has(shapes, name, hash) {
                return false;
            }
            at += 1;
        }
        true
    }

    /// Whether this server can speak binary with a client that names a schema.
    #[must_use]
    pub fn serves(&self, name: &str, released: &[Schema<'_>]) -> bool {
        let is_served = |schema: &Schema<'_>| schema.name == name && schema.is_unchanged_in(self.shapes);
        name == self.name || released.iter().any(is_served)
    }
}

/// Whether a client that names a schema can be served binary.
#[must_use]
pub fn is_served(name: &str) -> bool {
    CURRENT.serves(name, RELEASED)
}

const fn has(shapes: &[(&str, u64)], name: &str, hash: u64) -> bool {
    let mut at = 0;
    while at < shapes.len() {
        if shapes[at].1 == hash && is_same(shapes[at].0.as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// A shape by its words.
#[must_use]
pub const fn shape_hash(shape: &str) -> u64 {
    fnv_1a(FNV_BASIS, shape.as_bytes())
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>), continued.
const fn fnv_1a(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(shape_hash("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_released_schema_is_served_until_one_of_its_shapes_changes() {
        let released = [
            Schema { name: "first", shapes: &[("ping", 1), ("Role", 2)] },
            Schema { name: "second", shapes: &[("ping", 1), ("Role", 2), ("pong", 3)] },
        ];
        let served = |shapes: &[(&str, u64)]| {
            let now = Schema { name: "now", shapes };
            ["first", "second", "now", "never"].map(|name| now.serves(name, &released))
        };
        assert_eq!(served(&[("ping", 1), ("Role", 2), ("pong", 3)]), [true, true, true, false]);
        assert_eq!(
            served(&[("new", 9), ("pong", 3), ("ping", 1), ("Role", 2)]),
            [true, true, true, false],
            "a type more"
        );
        assert_eq!(served(&[("ping", 1), ("Role", 2), ("pong", 4)]), [true, false, true, false], "another shape");
        assert_eq!(served(&[("ping", 1), ("Role", 9), ("pong", 3)]), [false, false, true, false], "a part of others");
        assert_eq!(served(&[("ping", 1), ("pong", 3)]), [false, false, true, false], "a shape that is gone");
        assert_eq!(served(&[("ping", 3), ("Role", 2), ("pong", 1)]), [false, false, true, false], "the wrong names");
    }

    /// If this fails, a shape has changed that clients were built with: they are served JSON from now on. Say so in
    /// CHANGELOG.md, and take their schema off the list.
    #[test]
    fn clients_of_these_releases_are_served_binary() {
        let served: Vec<_> = RELEASED.iter().map(|schema| schema.name).filter(|name| is_served(name)).collect();
        assert_eq!(served, [""; 0]);
        assert!(is_served(crate::SCHEMA) && !is_served("") && !is_served("0000000000000000"));
    }
}
