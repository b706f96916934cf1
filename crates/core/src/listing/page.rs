//! One page of a list: which rooms, in which order, behind which one, how many.
//!
//! A cursor is the place of the last room of the page before: what it is sorted by, and the number of its row. So rooms that
//! come and go move no page, and the room itself may be gone.

use std::cmp::Ordering;

use anteroom_protocol::limits::{ROOMS_LISTED, ROOMS_LISTED_MAX};
use anteroom_protocol::message::RoomSummary;
use anteroom_protocol::message::request::ListRooms;
use anteroom_protocol::message::result::RoomList;
use anteroom_protocol::{ErrorBody, ErrorCode, RoomId};

use super::Listing;
use super::filter::{Filter, Searchable};
use super::row::Row;
use super::value::{Key, Scalar};

/// How much of a text rooms are sorted by, in bytes.
const SORTED_BYTES_MAX: usize = 64;
/// The longest cursor: a number, and a text in hexadecimal digits.
const CURSOR_BYTES_MAX: usize = 18 + 2 * SORTED_BYTES_MAX;

/// What a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    key: Key,
    is_descending: bool,
}

/// The place of a room in a list. Behind it are those with a value that comes later, and of those with the same the older ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    /// Nothing in a list that is in the order of age.
    value: Option<Scalar<'a>>,
    number: u64,
}

/// What somebody asks of the list. Two that mean the same are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    filter: Filter,
    order: Option<Order>,
    after: Option<Place<'static>>,
    limit: usize,
}

impl Query {
    /// The newest rooms that pass, as many as there may be in one message.
    #[must_use]
    pub fn newest(filter: Filter) -> Self {
        Self { filter, order: None, after: None, limit: ROOMS_LISTED_MAX }
    }

    /// Reads what a client asks for, where this data is `searchable`.
    ///
    /// # Errors
    /// `invalid_data`.
    pub fn parse(asked: &ListRooms, searchable: Searchable<'_>) -> Result<Self, ErrorBody> {
        let ListRooms { game, filter, sort, cursor, limit } = asked;
        let filter = Filter::parse(game.as_deref(), filter.as_ref(), searchable)?;
        let order = sort.as_deref().map(Order::parse).transpose()?;
        if let Some(Order { key: Key::Data(key), .. }) = &order
            && !searchable(filter.game(), key)
        {
            return Err(invalid("`sort` names data that is not in lists."));
        }
        let limit = usize::from(limit.unwrap_or(ROOMS_LISTED));
        if limit == 0 || limit > ROOMS_LISTED_MAX {
            return Err(invalid(&format!("`limit` must be 1 to {ROOMS_LISTED_MAX}.")));
        }
        let after = cursor.as_deref().map(Place::parse).transpose()?;
        if after.as_ref().is_some_and(|after| after.value.is_some() != order.is_some()) {
            return Err(not_a_cursor());
        }
        Ok(Self { filter, order, after, limit })
    }

    /// Which rooms are asked for.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Whether it is the first page of a list as most ask for it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.filter.is_plain() && self.order.is_none() && self.after.is_none()
    }

    fn place_of<'a>(&self, row: &'a Row) -> Place<'a> {
        let value = self.order.as_ref().map(|order| sorted(order.key.value(&row.facts())));
        Place { value, number: row.number }
    }

    fn compare(&self, one: &Place<'_>, other: &Place<'_>) -> Ordering {
        let values = one.value.cmp(&other.value);
        let values =
            if self.order.as_ref().is_some_and(|order| order.is_descending) { values.reverse() } else { values };
        values.then(other.number.cmp(&one.number))
    }
}

fn invalid(sentence: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidData, sentence)
}

fn not_a_cursor() -> ErrorBody {
    invalid("`cursor` must be the `next` of an answer to the same question.")
}

/// What of a value rooms are sorted by.
fn sorted(value: Scalar<'_>) -> Scalar<'_> {
    match value {
        Scalar::Text(text) if text.len() > SORTED_BYTES_MAX => {
            let end = anteroom_protocol::code::floor_char_boundary(&text, SORTED_BYTES_MAX);
            Scalar::Text(text[..end].to_owned().into())
        }
        value => value,
    }
}

impl Order {
    fn parse(name: &str) -> Result<Self, ErrorBody> {
        let (name, is_descending) = name.strip_prefix('-').map_or((name, false), |name| (name, true));
        let key = Key::of(name).ok_or_else(|| {
            invalid(
                "`sort` must be game, state, free_seats, players, has_password, locked, durable, created_at_ms, name or \
                 data.KEY, with - in front for the largest first.",
            )
        })?;
        Ok(Self { key, is_descending })
    }
}

impl Place<'_> {
    fn cursor(&self) -> String {
        let number = format!("{:x}", self.number);
        match &self.value {
            None => number,
            Some(Scalar::Nothing) => format!("{number}.n"),
            Some(Scalar::Flag(flag)) => format!("{number}.{}", if *flag { 't' } else { 'f' }),
            Some(Scalar::Number(value)) => format!("{number}.d{:x}", value.to_bits()),
            Some(Scalar::Text(text)) => {
                let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("{number}.s{digits}")
            }
        }
    }

    fn parse(cursor: &str) -> Result<Place<'static>, ErrorBody> {
        Self::read(cursor).filter(|place| place.cursor() == cursor).ok_or_else(not_a_cursor)
    }

    fn read(cursor: &str) -> Option<Place<'static>> {
        if cursor.len() > CURSOR_BYTES_MAX || !cursor.is_ascii() {
            return None;
        }
        let (number, value) = cursor.split_once('.').map_or((cursor, None), |(number, value)| (number, Some(value)));
        let number = u64::from_str_radix(number, 16).ok()?;
        let value = value.map(|value| {
            let (sort, rest) = value.split_at_checked(1)?;
            Some(match (sort, rest) {
                ("n", "") => Scalar::Nothing,
                ("t", "") => Scalar::Flag(true),
                ("f", "") => Scalar::Flag(false),
                ("d", bits) => Scalar::Number(f64::from_bits(u64::from_str_radix(bits, 16).ok()?)),
                ("s", digits) => {
                    let bytes =
                        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
                    Scalar::Text(String::from_utf8(bytes.collect::<Option<_>>()?).ok()?.into())
                }
                _ => return None,
            })
        });
        let value = match value {
            Some(read) => Some(read?),
            None => None,
        };
        Some(Place { value, number })
    }
}

impl Listing {
    /// A page of the rooms that are listed.
    #[must_use]
    pub fn list(&self, query: &Query) -> RoomList {
        let (rows, total) = self.listed(query.filter.game());
        if query.order.is_none() && query.filter.is_plain() {
            let after = query.after.as_ref().map_or(u64::MAX, |after| after.number);
            let rows = self.listed_below(query.filter.game(), after);
            return page(query, rows.take(query.limit + 1), total);
        }
        let mut total = 0;
        let mut found: Vec<_> = rows
            .filter(|(_, row)| query.filter.lets(&row.facts()))
            .inspect(|_| total += 1)
            .map(|(room_id, row)| (query.place_of(row), room_id, row))
            .filter(|(place, ..)| query.after.as_ref().is_none_or(|after| query.compare(place, after).is_gt()))
            .collect();
        if query.order.is_some() {
            if found.len() > query.limit {
                found.select_nth_unstable_by(query.limit, |(one, ..), (other, ..)| query.compare(one, other));
                found.truncate(query.limit + 1);
            }
            found.sort_unstable_by(|(one, ..), (other, ..)| query.compare(one, other));
        }
        page(query, found.into_iter().map(|(_, room_id, row)| (room_id, row)), total)
    }
}

/// The first of these rooms, and where to go on if there are more.
fn page<'a>(query: &Query, mut rows: impl Iterator<Item = (&'a RoomId, &'a Row)>, total: usize) -> RoomList {
    let mut last = None;
    let first = rows.by_ref().take(query.limit).inspect(|(_, row)| last = Some(*row));
    let rooms: Vec<RoomSummary> = first.map(|(room_id, row)| row.summary(*room_id)).collect();
    let is_more = rows.next().is_some();
    let next = last.filter(|_| is_more).map(|row| query.place_of(row).cursor());
    RoomList { rooms, total: u32::try_from(total).unwrap_or(u32::MAX), next }
}
