//! One thread's members over any transport, through Anteroom's own: a task for each on a runtime of the thread.
//!
//! A client pays for QUIC what a server pays, so this generator is busy as soon as the server is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use anteroom_protocol::Json;
use anteroom_transport::{Dialer, Event};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, interval_at, sleep};

use crate::error::BenchError;
use crate::meter::{Meter, Tally};
use crate::plan::Load;
use crate::schedule::Schedule;
use crate::session::Destination;
use crate::shared::{Phase, Shared};
use crate::timer::Alarm;
use crate::way::{self, Client, Way};

/// How many members share the sockets of a dialer, so that no single one overflows.
const MEMBERS_OF_DIALER: usize = 50;
/// How many members of a thread are on their way in at a time.
pub(crate) const ENTERING_MAX: usize = 32;
/// How often members who have fallen silent are looked at, whether they have something to say.
const SWEEP: Duration = Duration::from_millis(200);
/// How often a thread looks at the phase.
const TURN: Duration = Duration::from_millis(2);

/// What the members of a thread share.
pub(crate) struct Players {
    pub(crate) shared: Arc<Shared>,
    pub(crate) way: Way,
    pub(crate) meter: RefCell<Meter>,
    /// When each member has to send next, if it was called to.
    calls: Vec<Call>,
    pub(crate) entering: Semaphore,
    dialers: Vec<Dialer>,
}

/// Tells a member that something is due, and remembers what, until it is sent.
#[derive(Default)]
struct Call {
    due_us: RefCell<VecDeque<u64>>,
    notify: Notify,
}

impl Call {
    /// Takes what has been due for longest.
    fn next(&self) -> Option<u64> {
        self.due_us.borrow_mut().pop_front()
    }
}

impl Players {
    pub(crate) fn new(shared: &Arc<Shared>, thread: usize, way: &Way) -> Self {
        let count = shared.plan.share(thread).len();
        Self {
            shared: shared.clone(),
            way: way.clone(),
            meter: RefCell::new(Meter::new(shared, thread)),
            calls: (0..count).map(|_| Call::default()).collect(),
            entering: Semaphore::new(ENTERING_MAX),
            dialers: (0..count.div_ceil(MEMBERS_OF_DIALER)).map(|_| way.dialer()).collect(),
        }
    }

    pub(crate) fn dialer(&self, member: usize) -> &Dialer {
        &self.dialers[member / MEMBERS_OF_DIALER]
    }

    /// Brings a member's session in, not too many at a time.
    pub(crate) async fn enter(&self, member: usize, destination: Destination) -> Result<Client, BenchError> {
        let _turn = self.entering.acquire().await.map_err(BenchError::failed)?;
        self.way.enter(self.dialer(member), destination).await
    }
}

/// Plays a thread's members through all phases, each as `member` says.
pub(crate) fn play<F: Future<Output = Result<(), BenchError>> + 'static>(
    shared: &Arc<Shared>,
    thread: usize,
    way: &Way,
    member: impl Fn(Rc<Players>, usize, watch::Receiver<Phase>) -> F,
) -> Result<Tally, BenchError> {
    let runtime = way::runtime()?;
    // Quinn needs the runtime to make its sockets.
    let _entered = runtime.enter();
    let players = Rc::new(Players::new(shared, thread, way));
    let local = LocalSet::new();
    let (phases, phase) = watch::channel(Phase::Entering);
    let mut tasks = JoinSet::new();
    for place in 0..shared.plan.share(thread).len() {
        tasks.spawn_local_on(member(players.clone(), place, phase.clone()), &local);
    }
    let paced = players.clone();
    tasks.spawn_local_on(async move { paced.pace(thread, phase).await }, &local);
    runtime.block_on(local.run_until(players.follow(&mut tasks, &phases)))?;
    // Tasks hold the players; all have ended.
    drop((tasks, local));
    let players = Rc::into_inner(players).ok_or_else(|| BenchError::failed("a member did not end"))?;
    Ok(players.meter.into_inner().finish())
}

impl Players {
    /// Tells everybody the phase, until all have ended.
    async fn follow(
        &self,
        tasks: &mut JoinSet<Result<(), BenchError>>,
        phases: &watch::Sender<Phase>,
    ) -> Result<(), BenchError> {
        let mut turns = interval_at(Instant::now(), TURN);
        loop {
            tokio::select! {
                biased;
                _ = turns.tick() => {
                    let phase = self.shared.phase();
                    if let Some(failure) = self.shared.failure.get() {
                        return Err(failure.clone());
                    }
                    self.meter.borrow_mut().publish(phase);
                    phases.send_if_modified(|known| std::mem::replace(known, phase) != phase);
                }
                ended = tasks.join_next() => match ended {
                    Some(ended) => ended.map_err(BenchError::failed)??,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Calls on members to send when it is time.
    async fn pace(&self, thread: usize, mut phase: watch::Receiver<Phase>) -> Result<(), BenchError> {
        let started = phase.wait_for(|phase| *phase != Phase::Entering).await;
        started.map_err(BenchError::failed)?;
        let Some(mut schedule) = Schedule::new(&self.shared.plan, thread, self.shared.begin_us()) else {
            return Ok(());
        };
        let mut alarm = Alarm::new()?;
        loop {
            // What was due before the end is sent even if it is late.
            let ends = !self.shared.phase().is_sending();
            let until_us = self.shared.sends_until_us();
            while let Some((member, due_us)) = schedule.take(until_us) {
                self.calls[member].due_us.borrow_mut().push_back(due_us);
                self.calls[member].notify.notify_one();
            }
            if ends {
                return Ok(());
            }
            alarm.wait(Duration::from_micros(schedule.due_us().saturating_sub(self.shared.now_us()))).await?;
        }
    }
}

/// A member of a room that everybody hears.
pub(crate) async fn talk(
    players: Rc<Players>,
    place: usize,
    phase: watch::Receiver<Phase>,
    options: Option<Json>,
) -> Result<(), BenchError> {
    let (room, seat) = players.meter.borrow().place(place);
    let destination = if seat == 0 { Destination::New(options, None) } else { players.key(room).await? };
    let mut client = players.enter(place, destination).await?;
    client.session.prepare()?;
    if seat == 0 {
        players.set_key(place, &client);
    }
    players.shared.entered.fetch_add(1, SeqCst);
    let mut talker = Talker { players, place, client, written: 0 };
    talker.talk_until_over(phase).await?;
    talker.finish().await;
    Ok(())
}

impl Players {
    /// Tells others the room that the first member has made.
    pub(crate) fn set_key(&self, place: usize, client: &Client) {
        let (room, _) = self.meter.borrow().place(place);
        let key = client.session.room.map(|(room_id, _)| room_id.to_string());
        // Nobody else sets it.
        let _ = self.shared.keys[room].set(key);
    }

    /// The room that the first member has made.
    pub(crate) async fn key(&self, room: usize) -> Result<Destination, BenchError> {
        loop {
            match self.shared.keys[room].get() {
                Some(Some(key)) => return Ok(Destination::Room(key.clone())),
                _ if self.shared.phase() == Phase::Over => return Err(BenchError::failed("the room was never made")),
                _ => sleep(TURN).await,
            }
        }
    }
}

struct Talker {
    players: Rc<Players>,
    place: usize,
    client: Client,
    /// Bytes that the meter knows of.
    written: u64,
}

impl Talker {
    /// Talks until the run is over, even if the server takes nothing any more: then what it was to be told is left.
    async fn talk_until_over(&mut self, phase: watch::Receiver<Phase>) -> Result<(), BenchError> {
        let mut end = phase.clone();
        tokio::select! {
            biased;
            over = end.wait_for(|phase| *phase == Phase::Over) => drop(over.map_err(BenchError::failed)?),
            talked = self.talk(phase) => talked?,
        }
        let unsent = self.players.calls[self.place].due_us.borrow().len();
        self.players.meter.borrow_mut().leaves_unsent(unsent);
        Ok(())
    }

    async fn talk(&mut self, mut phase: watch::Receiver<Phase>) -> Result<(), BenchError> {
        let players = self.players.clone();
        let call = &players.calls[self.place];
        let closed = players.shared.plan.load == Load::Closed;
        let mut sweep = interval_at(Instant::now() + SWEEP, SWEEP);
        loop {
            tokio::select! {
                biased;
                changed = phase.changed() => {
                    changed.map_err(BenchError::failed)?;
                    let now = *phase.borrow_and_update();
                    match now {
                        Phase::WarmUp if closed => self.say(None).await?,
                        Phase::Over => return Ok(()),
                        _ => {}
                    }
                }
                () = call.notify.notified() => {
                    while let Some(due_us) = call.next() {
                        self.say(Some(due_us)).await?;
                    }
                }
                event = self.client.connection.recv() => {
                    let own = self.hear(event.map_err(way::ended)?).await?;
                    if own && closed && players.shared.phase().is_sending() {
                        self.say(None).await?;
                    }
                }
                _ = sweep.tick() => self.client.acknowledge().await?,
            }
        }
    }

    async fn say(&mut self, due_us: Option<u64>) -> Result<(), BenchError> {
        let stamp = self.players.meter.borrow_mut().sends(self.place, due_us);
        let message = self.client.session.say(stamp).to_vec();
        self.client.say(&message).await?;
        let written = self.client.connection.written_bytes();
        self.players.meter.borrow_mut().bytes_up += written - self.written;
        self.written = written;
        Ok(())
    }

    async fn hear(&mut self, event: Event) -> Result<bool, BenchError> {
        let Event::Record { lane, codec, payload } = event else { return Ok(false) };
        let own = {
            let mut meter = self.players.meter.borrow_mut();
            meter.bytes_down += (payload.len() + header(payload.len())) as u64;
            let now_us = self.players.shared.now_us();
            meter.hears(self.place, &payload, now_us)
        };
        self.client.take(lane, codec, &payload, |_| {}).await?;
        Ok(own)
    }

    async fn finish(mut self) {
        if let Some(refusal) = self.client.session.refused.take() {
            self.players.shared.refused.get_or_init(|| refusal);
        }
        self.client.leave().await;
    }
}

/// What goes in front of a record of so many bytes: its length, as QUIC writes integers.
fn header(len: usize) -> usize {
    match len {
        ..64 => 1,
        64..16_384 => 2,
        _ => 4,
    }
}
