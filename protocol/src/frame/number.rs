//! Closed lists of numbers that frames carry. Numbers are permanent; one that a later release gives stands as
//! [`Other`](GoodbyeCode::Other) and is shown as a number, never refused.

macro_rules! numbers {
    (
        $(#[$about:meta])*
        $name:ident: $number:ty {
            $( $(#[$what:meta])* $variant:ident = $value:literal, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$what])* $variant, )*
            /// A number that this release does not know; only [`of`](Self::of) makes it.
            Other($number),
        }

        impl $name {
            /// All that this release knows, ascending.
            pub const KNOWN: &'static [Self] = &[ $( Self::$variant, )* ];

            /// What a number means.
            pub const fn of(number: $number) -> Self {
                match number {
                    $( $value => Self::$variant, )*
                    other => Self::Other(other),
                }
            }

            /// The number.
            pub const fn number(self) -> $number {
                match self {
                    $( Self::$variant => $value, )*
                    Self::Other(number) => number,
                }
            }
        }
    };
}

numbers! {
    /// Why a conversation ends.
    GoodbyeCode: u8 {
        /// The process ends in good order.
        Shutdown = 0,
        /// No version in common.
        Version = 1,
        /// The hearer is not admitted, or its proof failed.
        NotAdmitted = 2,
        /// The hearer broke the protocol. Nothing is skipped for it.
        Misbehaved = 3,
        /// A newer session of the same party has taken over.
        Fenced = 4,
        /// The hearer pushed what lies outside of its jurisdiction (D23).
        Jurisdiction = 5,
        /// One item of the hearer's feed is refused for reasons that follow from its bytes: it is skipped from now on, with
        /// an alarm (D51).
        ItemRefused = 6,
        /// A seat of the hearer is revoked.
        Revoked = 7,
        /// The speaker cannot go on (disk, programming error). Nothing is skipped for it.
        LocalFault = 8,
        /// A newer instance of the hearer has been here: it draws a new instance id and compares *logs* (D86).
        NewerInstance = 9,
    }
}

numbers! {
    /// How a log, or a seat as a whole, is at the one who says it.
    State: u8 {
        /// Taken in as it comes.
        Running = 0,
        /// Waits for a statement or a release.
        Held = 1,
        /// Stopped by what its seat has signed.
        Stopped = 2,
        /// Something is missing before what is there.
        Gap = 3,
        /// The seat is revoked.
        Revoked = 4,
        /// Nothing of it was ever seen.
        NeverSeen = 5,
    }
}

numbers! {
    /// Why a log is not running, or a seat is not well.
    Reason: u16 {
        /// No reason: it runs.
        None = 0,
        /// The identity is not known.
        IdentityUnknown = 1,
        /// The opening is not known.
        OpeningUnknown = 2,
        /// This release does not read it.
        Unread = 3,
        /// Headers are missing.
        Gap = 4,
        /// Two headers at one position.
        TwoHeaders = 5,
        /// Two openings of one counter.
        TwoOpenings = 6,
        /// A counter was left out.
        CounterSkipped = 7,
        /// Sealed against the rules of a header.
        SealedWrongly = 8,
        /// The seat is revoked.
        Revoked = 9,
        /// Over a quota.
        OverQuota = 10,
        /// Sections are closed that must be open.
        SectionsClosed = 11,
        /// Waits for the rest of the former epoch.
        WaitsForFormerEpoch = 12,
        /// Signed by a key that does not bind there any more.
        KeyNoLongerBinds = 13,
        /// The disk is full or does not answer.
        Disk = 14,
        /// Two identities of one serial.
        TwoIdentities = 15,
        /// The seat takes the tail of its own log back (D92).
        TakingTailBack = 16,
        /// The node reads its newest verified backup (D82).
        ReadingBackup = 17,
        /// A source cannot be read, or something it shows is not taken.
        Source = 18,
        /// Clocks are far apart.
        Clock = 19,
        /// A part of the program does not do its work: its writer, a stage, a worker.
        Worker = 20,
    }
}

numbers! {
    /// What a figure of a health report counts.
    Figure: u8 {
        /// Batches that wait in the outbox.
        OutboxBatches = 1,
        /// Bytes that wait in the outbox.
        OutboxBytes = 2,
        /// Seconds since the source was read last.
        SourceLagSeconds = 3,
        /// Seconds since the city's last receipt was signed.
        CityReceiptAgeSeconds = 4,
        /// Logs that are held.
        Held = 5,
        /// Logs that are stopped.
        Stopped = 6,
        /// Gaps that stand.
        Gaps = 7,
        /// Rows that were refused.
        RefusedRows = 8,
        /// Keys that are in doubt.
        DoubtfulKeys = 9,
        /// Bytes that are free on the disk.
        FreeBytes = 10,
        /// Milliseconds by which the clock differs from the peer's.
        ClockOffsetMs = 11,
    }
}

numbers! {
    /// What a page of a want comes to. Whatever it says, only the closing of the gap ends a want.
    PageCode: u8 {
        /// What was wanted, as far as the page goes.
        Given = 0,
        /// Not held here.
        NotHeld = 1,
        /// The asker may not have it.
        NotForYou = 2,
        /// This release does not know the kind of want.
        NotUnderstood = 3,
    }
}

numbers! {
    /// Which statements are meant.
    Scope: u8 {
        /// All that the speaker shows the hearer.
        All = 0,
        /// Those on the chain of the hearer's seats.
        Chain = 1,
    }
}

numbers! {
    /// What a frame of logs ends.
    LogsEnd: u8 {
        /// Nothing: more follow, or it brings news beside a list that was complete.
        More = 0,
        /// The list is complete with this frame.
        Complete = 1,
        /// The list is complete as far as the speaker knows without the city (D80).
        CompleteWithoutCity = 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Copy + PartialEq + std::fmt::Debug, N: Copy + PartialEq + std::fmt::Debug>(
        known: &[T],
        numbers: impl Iterator<Item = N>,
        of: impl Fn(N) -> T,
        number: impl Fn(T) -> N,
    ) {
        for (expected, n) in known.iter().zip(numbers) {
            assert_eq!((of(n), number(*expected)), (*expected, n));
        }
    }

    /// The lists of the specification, in its order and without holes.
    #[test]
    fn every_list_is_the_one_of_the_specification() {
        check(
            GoodbyeCode::KNOWN,
            0..,
            GoodbyeCode::of,
            GoodbyeCode::number,
        );
        check(State::KNOWN, 0.., State::of, State::number);
        check(Reason::KNOWN, 0.., Reason::of, Reason::number);
        check(Figure::KNOWN, 1.., Figure::of, Figure::number);
        check(PageCode::KNOWN, 0.., PageCode::of, PageCode::number);
        check(Scope::KNOWN, 0.., Scope::of, Scope::number);
        check(LogsEnd::KNOWN, 0.., LogsEnd::of, LogsEnd::number);
        let lengths = [
            GoodbyeCode::KNOWN.len(),
            State::KNOWN.len(),
            Reason::KNOWN.len(),
            Figure::KNOWN.len(),
            PageCode::KNOWN.len(),
            Scope::KNOWN.len(),
            LogsEnd::KNOWN.len(),
        ];
        assert_eq!(lengths, [10, 6, 21, 11, 4, 2, 3]);
    }

    #[test]
    fn a_number_of_a_later_release_passes_through() {
        for n in 0..=u8::MAX {
            assert_eq!(GoodbyeCode::of(n).number(), n);
            assert_eq!(State::of(n).number(), n);
            assert_eq!(Figure::of(n).number(), n);
            assert_eq!(PageCode::of(n).number(), n);
            assert_eq!(Scope::of(n).number(), n);
            assert_eq!(LogsEnd::of(n).number(), n);
        }
        for n in [0, 17, 18, 300, u16::MAX] {
            assert_eq!(Reason::of(n).number(), n);
        }
        assert_eq!(GoodbyeCode::of(10), GoodbyeCode::Other(10));
    }
}
