//! What the microbenchmarks time and the instruction guard counts: the same steps on the same inputs, every time.
//!
//! No clock, no runtime, no randomness, one thread; so an [`Operation`] takes the same path through the code however
//! often it is repeated, and the number of its instructions says something.

mod codec;
mod framing;
mod lane;
mod listing;
mod messages;
mod room;
mod session;

/// One thing that the server does all the time.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// The benchmark that it belongs to.
    pub group: &'static str,
    /// Its name in there.
    pub name: &'static str,
    /// How often to repeat it for a count that means something.
    pub repetitions: u32,
    /// How many messages one repetition handles.
    pub messages: u32,
    prepare: fn() -> Step,
}

/// One repetition of an [`Operation`].
pub type Step = Box<dyn FnMut()>;

impl Operation {
    /// The name among all of them: `group/name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// Makes what it works on. Calling what comes back is one repetition.
    #[must_use]
    pub fn prepare(&self) -> Step {
        (self.prepare)()
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    [codec::ALL, framing::ALL, lane::ALL, session::ALL, room::ALL, room::STORED, listing::ALL].into_iter().flatten()
}

/// Those of one benchmark.
pub fn of_group(group: &str) -> impl Iterator<Item = &'static Operation> {
    all().filter(move |operation| operation.group == group)
}

/// The one of that path, if there is one.
#[must_use]
pub fn find(path: &str) -> Option<&'static Operation> {
    all().find(|operation| operation.path() == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_can_be_repeated() {
        for operation in all() {
            let mut step = operation.prepare();
            (0..5).for_each(|_| step());
        }
    }

    #[test]
    fn every_operation_has_a_path_of_its_own() {
        let paths: BTreeSet<String> = all().map(Operation::path).collect();
        assert_eq!(paths.len(), all().count());
        assert!(paths.iter().all(|path| find(path).is_some_and(|operation| operation.path() == *path)));
        assert!(find("codec/fly").is_none());
    }
}
