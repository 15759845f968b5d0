//! Reads an audience: the source parsed on one thread, filtered and collected on the caller's.

use std::sync::mpsc::sync_channel;

use super::block::{Block, Row};
use super::builder::Builder;
use super::error::{BadRow, BadRows, Error};
use super::filter::Condition;
use super::intern::Full;
use super::source::{self, Wanted};
use super::{Access, Audience, Place, Stats};
use crate::campaign::{AudienceSpec, Exclusion, Filter, Source};

/// Malformed rows kept to be shown.
const SAMPLES: usize = 20;

/// Blocks on their way between the two threads: one filling, one being read, and two so that neither waits for
/// a short stumble of the other.
const BLOCKS: usize = 4;

/// Reads the recipients of a campaign.
///
/// `carry` names the columns that its templates use. `progress` is told the number of rows read so far, some
/// thousands of rows apart.
///
/// The first row of an account that matches `where`, in the source's order, is the one that counts. An account
/// that a list under `exclude` names, or of which any row (matching `where` or not) matches `suppress_where`,
/// gets nothing.
///
/// # Errors
/// A source cannot be read, is beyond `access`, is cut or damaged, lacks a column, or has more malformed rows than
/// `max_bad_rows` allows; a suppression list may have none.
pub fn read(
    spec: &AudienceSpec,
    carry: &[String],
    access: Access,
    progress: &dyn Fn(u64),
) -> Result<Audience, Error> {
    let mut builder = Builder::new();
    for exclusion in &spec.exclude {
        exclude(exclusion, access, &mut builder)?;
    }

    let mut wanted = Wanted::account(&spec.account);
    let filter = compile(spec.filter.as_ref(), &mut wanted);
    let suppress = compile(spec.suppress.as_ref(), &mut wanted);
    let carried: Vec<usize> = carry.iter().map(|column| wanted.column(column)).collect();

    if spec.suppress.is_none() {
        wanted.set_only(spec.filter.clone());
    }

    let mut filtered = 0;
    let tally = stream(&spec.source, &wanted, access, Some(spec.max_bad_rows), progress, |row| {
        if suppress.as_ref().is_some_and(|condition| condition.holds(row)) {
            builder.suppress(row.account())?;
        }
        if filter.as_ref().is_none_or(|condition| condition.holds(row)) {
            builder.add(row.account(), carried.iter().map(|&index| row.get(index)), row.position)
        } else {
            filtered += 1;
            Ok(())
        }
    })?;
    builder.stats =
        Stats { rows: tally.rows, bad: tally.bad, filtered: filtered + tally.skipped, ..builder.stats };
    Ok(builder.finish(source::places(&spec.source), carry.to_vec(), tally.samples))
}

fn exclude(exclusion: &Exclusion, access: Access, builder: &mut Builder) -> Result<(), Error> {
    let mut wanted = Wanted::account(&exclusion.account);
    let filter = compile(exclusion.filter.as_ref(), &mut wanted);
    wanted.set_only(exclusion.filter.clone());
    stream(&exclusion.source, &wanted, access, None, &|_| {}, |row| {
        if filter.as_ref().is_none_or(|condition| condition.holds(row)) {
            builder.exclude(row.account())?;
        }
        Ok(())
    })?;
    Ok(())
}

fn compile(filter: Option<&Filter>, wanted: &mut Wanted) -> Option<Condition> {
    filter.map(|filter| Condition::compile(filter, wanted))
}

/// Rows read, and among them malformed ones and ones that the reader left out.
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    skipped: u64,
    bad: u64,
    samples: Vec<BadRow>,
}

impl Tally {
    fn add(&mut self, block: &Block, places: &[String]) {
        self.rows += block.rows().len() as u64 + block.skipped();
        self.skipped += block.skipped();
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

/// Gives every good row of a source to `row`, in order; `allowed` is the share of malformed ones let pass, `None`
/// where the source must be whole.
fn stream(
    source: &Source,
    wanted: &Wanted,
    access: Access,
    allowed: Option<f64>,
    progress: &dyn Fn(u64),
    mut row: impl FnMut(&Row<'_>) -> Result<(), Full>,
) -> Result<Tally, Error> {
    let (name, places) = (source::name(source), source::places(source));
    let mut reader = source::open(source, wanted, access)?;
    let mut tally = Tally::default();
    let none_allowed = allowed.is_none_or(|share| share <= 0.0);

    std::thread::scope(|scope| {
        let (full, filled) = sync_channel::<(Block, Result<bool, Error>)>(BLOCKS);
        let (empty, to_fill) = sync_channel::<Block>(BLOCKS);
        for _ in 0..BLOCKS {
            empty.send(Block::default()).expect("the channel holds as many");
        }
        // It ends with the source, or when the other side of a channel is gone, which then has failed.
        scope.spawn(move || {
            for mut block in to_fill {
                block.clear();
                let more = reader.fill(&mut block);
                if full.send((block, more)).is_err() {
                    return;
                }
            }
        });
        for (block, more) in filled {
            // Also before a failure: the malformed rows in front of it may explain it.
            tally.add(&block, &places);
            for good in block.rows() {
                row(&good).map_err(|Full| Error::TooLarge { name: name.clone() })?;
            }
            progress(tally.rows);
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
