//! The instants of a rule: wall-clock times in a row, each turned into the instant at which it runs.

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// When a campaign is due, without bounds and exceptions.
#[derive(Debug, Clone)]
pub enum Rule {
    /// These instants, in order, each once.
    At(Vec<Timestamp>),
    /// The wall-clock times a cron expression matches.
    Cron(Box<Cron>),
    /// `first`, and every `step_s` seconds after it on the wall clock: `1d` keeps its time of day over a change of the
    /// clocks, and `6h` the same four times.
    Every {
        /// The first time.
        first: DateTime,
        /// Seconds to the next one, and so on; 1 or more.
        step_s: i64,
    },
}

impl Rule {
    /// The instants at or after `from`, in order, each once.
    pub(super) fn instants<'r>(
        &'r self,
        zone: &'r TimeZone,
        from: Timestamp,
    ) -> Box<dyn Iterator<Item = Timestamp> + 'r> {
        if let Self::At(instants) = self {
            return Box::new(instants.iter().copied().filter(move |at| *at >= from));
        }
        let mut next = Some(first_local(zone, from));
        let mut last = None;
        let instants = std::iter::from_fn(move || {
            let local = self.local_from(next?)?;
            next = local.checked_add(SignedDuration::from_secs(1)).ok();
            instant_of(zone, local)
        });
        // Times before `from` come from the first pass of a repeated hour; equal ones from a skipped hour.
        Box::new(instants.filter(move |at| *at >= from && last.replace(*at) != Some(*at)))
    }

    /// A wall-clock time that the zone's clocks jump over between two instants, and that is not due at the end of
    /// the jump anyway.
    pub(super) fn jumped_over(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> Option<DateTime> {
        zone.following(from).take_while(|change| change.timestamp() < until).find_map(|change| {
            let at = change.timestamp();
            let before = zone.to_offset(at.checked_sub(SignedDuration::from_nanos(1)).ok()?);
            let (jump, landing) = (before.to_datetime(at), change.offset().to_datetime(at));
            let local = self.local_from(jump).filter(|local| *local < landing)?;
            (self.local_from(landing) != Some(landing)).then_some(local)
        })
    }

    /// The first wall-clock time at or after `from`; a cron's may be less than a second before it.
    fn local_from(&self, from: DateTime) -> Option<DateTime> {
        match self {
            Self::At(_) => None,
            // Croner walks the calendar of the wall clock, which has neither gaps nor repetitions; it gives
            // up in the year 5000.
            Self::Cron(cron) => cron.find_next_occurrence(&from, true).ok(),
            Self::Every { first, step_s } => {
                let behind = from.duration_since(*first);
                let behind_s = behind.as_secs() + i64::from(behind.subsec_nanos() > 0);
                let steps = behind_s.max(0).checked_add(step_s - 1)? / step_s;
                first.checked_add(SignedDuration::from_secs(steps.checked_mul(*step_s)?)).ok()
            }
        }
    }
}

/// Where the search for instants at or after `from` begins on the wall clock. At an instant to which the clocks
/// have just jumped, the times they jumped over run too.
fn first_local(zone: &TimeZone, from: Timestamp) -> DateTime {
    let nanosecond = SignedDuration::from_nanos(1);
    let here = zone.to_datetime(from);
    let before = from.checked_sub(nanosecond).map(|before| zone.to_datetime(before));
    match before.and_then(|before| before.checked_add(nanosecond)) {
        Ok(without_jump) => here.min(without_jump),
        Err(_) => here,
    }
}

/// The instant at which a wall-clock time runs; `None` only at the ends of time.
pub(super) fn instant_of(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the offset of after the jump, the time lies before the jump.
            let before_jump = after.to_timestamp(local).ok()?;
            zone.following(before_jump).next().map(|jump| jump.timestamp())
        }
    }
}
