//! Faults of the world: their kinds, their frequency, and the count of those that happened.

use super::rng::Rng;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Kind of fault of the world.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            pub const ALL: &[Fault] = &[$(Fault::$name),*];
        }
    };
}

faults! {
    /// Accepting is interrupted by a signal.
    AcceptInterrupted,
    /// The connection is gone before it is accepted.
    AcceptAborted,
    /// EMFILE: the process has too many descriptors.
    AcceptProcessFull,
    /// ENFILE: the machine has too many descriptors.
    AcceptSystemFull,
    /// ENOBUFS: no memory for sockets.
    AcceptNoBuffers,
    /// ENOMEM: no memory at all.
    AcceptNoMemory,
    /// A socket cannot be registered with the poll.
    RegisterFails,
    ReadInterrupted,
    /// Bytes are there, but readable only a little later.
    ReadBlocks,
    /// ETIMEDOUT in the middle of everything.
    ReadFails,
    WriteInterrupted,
    /// The socket takes less than it has room for.
    WriteShort,
    /// The socket takes nothing although it has room, and becomes writable a little later.
    WriteBlocks,
    /// EPIPE in the middle of everything.
    WriteFails,
    /// The peer was gone before our direction was closed.
    ShutdownFails,
    /// The server panics while it accepts.
    AcceptPanics,
    /// The server panics in a connection's turn. The kinds are: at its first call, at a read, at a
    /// write, at its end, at a file.
    RegisterPanics,
    ReadPanics,
    WritePanics,
    ShutdownPanics,
    OpenPanics,
    FileReadPanics,
    /// The poll wakes without an event.
    PollWakes,
    /// The poll names a socket that is not ready.
    PollSpurious,
    /// The poll reports a socket later than it could.
    PollDelays,
    /// The poll has room for some of the ready sockets only.
    PollFull,
    /// The process does not run for a while.
    ClockStalls,
    /// The process does not run for so long that all its deadlines have passed.
    ClockLeaps,
    /// The time of day is set, forward or back, for the disk as well.
    WallClockJumps,
    /// Bytes that were sent at once arrive in pieces.
    ArrivalSplit,
    /// Bytes take much longer than usual.
    ArrivalLate,
    /// The network resets a connection.
    NetworkResets,
    /// A file cannot be opened for want of descriptors.
    OpenProcessFull,
    /// A file cannot be opened at all.
    OpenFails,
    /// A read gives fewer bytes than are there.
    FileReadShort,
    /// A read fails in the middle of a file.
    FileReadFails,
    /// A read takes long, and time passes for all connections.
    FileReadSlow,
    /// A file is truncated.
    FileShrinks,
    /// A file is replaced by another of its name.
    FileReplaced,
    /// The helper's answer comes without the file that it has opened. It is the last kind that strikes by chance.
    /// The kinds below are actions of peers and consequences, which are only counted.
    HelperLosesFile,
    /// The disk has to bring bytes of a file first.
    FileCold,
    /// The helper has to open a file first.
    NameCold,
    /// The disk that the access log goes to was full.
    LogFull,
    /// Several edges of readiness were reported as one.
    ReadinessMerged,
    /// The world had no descriptor for a connection that was to be accepted.
    DescriptorLimit,
    /// All connections together held nearly as much as they may.
    MemoryTight,
    /// A peer closed its direction and went on reading.
    PeerHalfCloses,
    /// A peer reset its connection.
    PeerResets,
    /// A client cancelled a request.
    RequestCancelled,
    /// Bytes came for a socket that was closed: its peer was sent a reset.
    UnreadOnClose,
}

impl Fault {
    /// The kinds that strike by chance.
    pub fn striking() -> &'static [Fault] {
        &Fault::ALL[..=Fault::HelperLosesFile as usize]
    }

    /// The kinds that are a system call of the server that fails.
    pub fn calls() -> impl Iterator<Item = Fault> {
        use Fault::*;
        let calls = [
            AcceptInterrupted,
            AcceptAborted,
            AcceptProcessFull,
            AcceptSystemFull,
            AcceptNoBuffers,
            AcceptNoMemory,
            RegisterFails,
            ReadInterrupted,
            ReadBlocks,
            ReadFails,
            WriteInterrupted,
            WriteShort,
            WriteBlocks,
            WriteFails,
            ShutdownFails,
            OpenProcessFull,
            OpenFails,
            FileReadShort,
            FileReadFails,
            AcceptPanics,
            RegisterPanics,
            ReadPanics,
            WritePanics,
            ShutdownPanics,
            OpenPanics,
            FileReadPanics,
        ];
        calls.into_iter()
    }

    /// True for faults that end a busy connection or delay all connections. They are rare, or no client
    /// would make progress.
    fn is_grave(self) -> bool {
        use Fault::*;
        matches!(
            self,
            ReadFails
                | WriteFails
                | ClockStalls
                | ClockLeaps
                | NetworkResets
                | FileReadSlow
                | AcceptPanics
                | RegisterPanics
                | ReadPanics
                | WritePanics
                | OpenPanics
                | FileReadPanics
        )
    }
}

/// The most faults of each grave kind in a run, so that its good clients finish.
const MOST_GRAVE: u64 = 6;

/// The number of kinds.
const KINDS: usize = Fault::ALL.len();

/// Plan of the times at which faults strike.
enum Plan {
    Never,
    /// Faults strike by chance: a number of a thousand opportunities of each kind.
    Chance {
        per_mille: [u32; KINDS],
        rng: Rng,
    },
    /// One fault strikes once: at one opportunity of one kind.
    Once {
        fault: Fault,
        opportunity: u64,
    },
}

/// The faults of a run, and their counts.
pub struct Faults {
    plan: Plan,
    opportunities: [u64; KINDS],
    counts: Counts,
}

/// Number of faults of each kind that struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts([u64; KINDS]);

impl Counts {
    pub fn none() -> Self {
        Counts([0; KINDS])
    }

    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub fn add(&mut self, other: &Counts) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }
}

impl Faults {
    /// Faults of some kinds only, because one kind may hide another. Their frequency is drawn for each
    /// run.
    pub fn by_chance(mut rng: Rng) -> Self {
        let weather: u32 = *rng.pick(&[0, 5, 20, 80, 250]);
        let mut per_mille = [0; KINDS];
        for &fault in Fault::striking() {
            let rate = if fault.is_grave() {
                weather.div_ceil(20)
            } else {
                weather
            };
            per_mille[fault as usize] = if rng.chance(500) { rate } else { 0 };
        }
        Self::new(Plan::Chance { per_mille, rng })
    }

    /// No fault at all.
    pub fn never() -> Self {
        Self::new(Plan::Never)
    }

    /// One fault and no other, at one opportunity.
    pub fn once(fault: Fault, opportunity: u64) -> Self {
        Self::new(Plan::Once { fault, opportunity })
    }

    fn new(plan: Plan) -> Self {
        Faults {
            plan,
            opportunities: [0; KINDS],
            counts: Counts::none(),
        }
    }

    /// True if faults are too rare to excuse a delay.
    pub fn are_rare(&self) -> bool {
        match &self.plan {
            Plan::Never | Plan::Once { .. } => true,
            Plan::Chance { per_mille, .. } => per_mille.iter().all(|rate| *rate == 0),
        }
    }

    /// Decides if a fault happens at this opportunity.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let opportunity = self.opportunities[fault as usize];
        self.opportunities[fault as usize] += 1;
        let strikes = match &mut self.plan {
            Plan::Never => false,
            Plan::Chance { per_mille, rng } => {
                let spent = fault.is_grave() && self.counts.of(fault) >= MOST_GRAVE;
                !spent && rng.chance(per_mille[fault as usize])
            }
            Plan::Once {
                fault: chosen,
                opportunity: at,
            } => *chosen == fault && *at == opportunity,
        };
        if strikes {
            self.count(fault);
        }
        strikes
    }

    /// Counts a fault that the plan did not decide.
    pub fn count(&mut self, fault: Fault) {
        self.counts.0[fault as usize] += 1;
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Number of times that a fault could have happened so far.
    pub fn opportunities(&self, fault: Fault) -> u64 {
        self.opportunities[fault as usize]
    }
}
