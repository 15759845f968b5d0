//! Reads an audience: the source parsed and filtered on one thread, collected on the caller's.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use super::block::{Block, Filters, Row};
use super::collect::{Bounds, Collector, Failed};
use super::error::{BadRow, BadRows, Error};
use super::filter::Condition;
use super::source::{self, Wanted};
use super::{Access, Audience, Keep, Place, Stats};
use crate::campaign::{AudienceSpec, Exclusion, Filter, Source};

/// Malformed rows kept to be shown.
const SAMPLES: usize = 20;

/// Blocks on their way between the two threads: one filling, one being read, and two so that neither waits for
/// a short stumble of the other.
const BLOCKS: usize = 4;

/// How the reading goes, for who shows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Rows read so far.
    pub rows: u64,
    /// Time spent reading and parsing.
    pub read: Duration,
    /// Time spent filtering, on the same thread.
    pub filter: Duration,
    /// All is read; who is in is being settled.
    pub is_done: bool,
}

/// Reads the recipients of a campaign.
///
/// `carry` names the columns that its templates use, `keep` whom it is about. `progress` is told how far the reading
/// is, some thousands of rows apart.
///
/// The first row of an account that matches `where`, in the source's order, is the one that counts. An account
/// that a list under `exclude` names, or of which any row (matching `where` or not) matches `suppress_where`,
/// gets nothing; so does one that `keep` does not name, which counts among the others.
///
/// # Errors
/// A source cannot be read, is beyond `access`, is cut or damaged, lacks a column, or has more malformed rows than
/// `max_bad_rows` allows; a suppression list may have none. Or there is no room for what does not fit into memory.
pub fn read(
    spec: &AudienceSpec,
    carry: &[String],
    access: Access,
    keep: Keep<'_>,
    progress: &dyn Fn(Reading),
) -> Result<Audience, Error> {
    read_within(Bounds::USUAL, spec, carry, access, keep, progress)
}

/// As [`read`], with other bounds.
pub(super) fn read_within(
    bounds: Bounds,
    spec: &AudienceSpec,
    carry: &[String],
    access: Access,
    keep: Keep<'_>,
    progress: &dyn Fn(Reading),
) -> Result<Audience, Error> {
    let mut collector = Collector::new(bounds);
    for exclusion in &spec.exclude {
        exclude(exclusion, access, &mut collector)?;
    }

    let mut wanted = Wanted::account(&spec.account);
    let filter = compile(spec.filter.as_ref(), &mut wanted);
    let suppress = compile(spec.suppress.as_ref(), &mut wanted);
    let carried: Vec<usize> = carry.iter().map(|column| wanted.column(column)).collect();
    if spec.suppress.is_none() {
        wanted.set_only(spec.filter.clone());
    }

    let filters = Filters { is_in: filter.as_ref(), suppresses: suppress.as_ref() };
    let tally = stream(&spec.source, &wanted, filters, access, Some(spec.max_bad_rows), progress, |row| {
        if row.verdict.suppresses {
            collector.suppress(row.account())?;
        }
        if row.verdict.is_in {
            collector.add(row.account(), carried.iter().map(|&index| row.get(index)), row.position)?;
        }
        Ok(())
    })?;
    progress(Reading { is_done: true, ..tally.reading });
    let stats = Stats { rows: tally.rows, bad: tally.bad, filtered: tally.filtered, ..Stats::default() };
    let places = source::places(&spec.source);
    collector.finish(keep, stats, places, carry.to_vec(), tally.samples).map_err(Error::Spill)
}

fn exclude(exclusion: &Exclusion, access: Access, collector: &mut Collector) -> Result<(), Error> {
    let mut wanted = Wanted::account(&exclusion.account);
    let filter = compile(exclusion.filter.as_ref(), &mut wanted);
    wanted.set_only(exclusion.filter.clone());
    let filters = Filters { is_in: filter.as_ref(), suppresses: None };
    stream(&exclusion.source, &wanted, filters, access, None, &|_| {}, |row| {
        Ok(collector.exclude(row.account())?)
    })?;
    Ok(())
}

fn compile(filter: Option<&Filter>, wanted: &mut Wanted) -> Option<Condition> {
    filter.map(|filter| Condition::compile(filter, wanted))
}

/// Rows read, and among them malformed ones and ones that do not match.
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    filtered: u64,
    bad: u64,
    samples: Vec<BadRow>,
    reading: Reading,
}

impl Tally {
    fn add(&mut self, block: &Block<'_>, places: &[String]) {
        self.rows += block.good() + block.skipped();
        self.filtered += block.good() - block.matching() + block.skipped();
        for bad in block.bad_rows() {
            self.rows += bad.rows;
            self.bad += bad.rows;
            if self.samples.len() < SAMPLES {
                let place = Place::of(bad.position, places);
                self.samples.push(BadRow { place, rows: bad.rows, reason: bad.reason.clone() });
            }
        }
    }

    fn is_within(&self, allowed: Option<f64>) -> bool {
        self.bad == 0 || self.bad as f64 <= allowed.unwrap_or(0.0) * self.rows as f64
    }
}

/// Gives every good row of a source that is worth keeping to `row`, in order; `allowed` is the share of
/// malformed ones let pass, `None` where the source must be whole.
fn stream(
    source: &Source,
    wanted: &Wanted,
    filters: Filters<'_>,
    access: Access,
    allowed: Option<f64>,
    progress: &dyn Fn(Reading),
    mut row: impl FnMut(&Row<'_>) -> Result<(), Failed>,
) -> Result<Tally, Error> {
    let (name, places) = (source::name(source), source::places(source));
    let mut reader = source::open(source, wanted, access)?;
    let mut tally = Tally::default();
    let none_allowed = allowed.is_none_or(|share| share <= 0.0);

    std::thread::scope(|scope| {
        let (full, filled) = sync_channel(BLOCKS);
        let (empty, to_fill) = sync_channel::<Block<'_>>(BLOCKS);
        for _ in 0..BLOCKS {
            empty.send(Block::new(filters)).expect("the channel holds as many");
        }
        // It ends with the source, or when the other side of a channel is gone, which then has failed.
        scope.spawn(move || {
            for mut block in to_fill {
                let start = Instant::now();
                block.clear();
                let more = reader.fill(&mut block);
                if full.send((block, more, start.elapsed())).is_err() {
                    return;
                }
            }
        });
        for (block, more, took) in filled {
            // Also before a failure: the malformed rows in front of it may explain it.
            tally.add(&block, &places);
            for kept in block.rows() {
                row(&kept).map_err(|failed| match failed {
                    Failed::TooLarge => Error::TooLarge { name: name.clone() },
                    Failed::Spill(error) => Error::Spill(error),
                })?;
            }
            let before = tally.reading;
            tally.reading = Reading {
                rows: tally.rows,
                read: before.read + took.saturating_sub(block.filtering()),
                filter: before.filter + block.filtering(),
                is_done: false,
            };
            progress(tally.reading);
            // Where none is allowed, enough to show is enough.
            let hopeless = none_allowed && tally.samples.len() == SAMPLES;
            if !more? || hopeless {
                break;
            }
            empty.send(block).expect("the reader waits for blocks until it is told to end");
        }
        Ok(())
    })?;

    if tally.is_within(allowed) {
        return Ok(tally);
    }
    let Tally { rows, bad, samples, .. } = tally;
    Err(Error::BadRows(BadRows { name, bad, rows, allowed, samples }))
}
