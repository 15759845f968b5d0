//! Builds a [`Plan`]: renders, groups by wave and message, and puts everybody in sending order.
//!
//! Three passes over the audience: one counts the recipients of each tuple, so that tuples are rendered once and
//! those of nobody not at all; one, only where recipients bring values of their own, renders these one by one; the
//! last deals everybody out to their places.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::content::Content;
use super::known::{Groups, Known};
use super::others::Others;
use super::totals::Totals;
use super::warning::Lengths;
use super::{BATCHES_MAX, Key, MsgRandoms, Plan, RunHeader, Stage, Taken, cost, digest};
use crate::audience::{Audience, OwnTuple, Place, Recipient, Tuple, Value, decode};
use crate::campaign::schedule::{NoWave, Wave};
use crate::message::{LengthWarning, lint};
use crate::spill::record::{Fields, put_bytes, put_number};
use crate::spill::{self, Pool};

/// Recipients whose message fails that are told of before giving up.
const SAMPLES: usize = 20;

/// Recipients with values of their own that are rendered at a time, split over the threads.
const RENDERED_AT_ONCE: usize = 8192;

/// Why there is no plan. All but the last are the author's to mend; nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: fmt::Display> {
    /// Messages that cannot be rendered.
    #[error(transparent)]
    Render(RenderErrors<E>),
    /// A DataId that cannot be rendered, or is too long.
    #[error("the DataId of batch {batch}: {error}")]
    DataId {
        /// The batch's number.
        batch: u32,
        /// Why not.
        error: E,
    },
    /// More calls than are numbered.
    #[error("the campaign comes to more than {BATCHES_MAX} calls; split it, or use fewer personal values")]
    TooManyCalls,
    /// There is no room for what does not fit into memory.
    #[error(transparent)]
    Spill(#[from] spill::Error),
}

/// The first of the tuples whose message cannot be rendered; at least 1, at most 20.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderErrors<E>(pub Vec<(Place, E)>);

impl<E: fmt::Display> fmt::Display for RenderErrors<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages cannot be rendered")?;
        self.0.iter().try_for_each(|(place, error)| write!(f, "\n  {place}: {error}"))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for RenderErrors<E> {}

/// Builds the plan of one run.
///
/// `taken` is `None` where no other run can have used its DataIds: that spares a look for every batch. `stage` is told
/// what is done next.
///
/// # Errors
/// Some recipient cannot be rendered, or a DataId is too long, or there are too many calls, or no room on the disk.
pub fn build<C: Content + 'static>(
    header: RunHeader,
    audience: &Audience,
    content: C,
    taken: Option<Taken<'_>>,
    stage: &dyn Fn(Stage),
) -> Result<Plan, Error<C::Error>> {
    let content = Arc::new(content);
    stage(Stage::Render);
    let mut builder = Builder::new(audience, content.as_ref());
    let (used, own) = builder.count()?;
    let group_of_tuple = builder.render_known(&used)?;
    if own > 0 {
        builder.render_own()?;
    }
    if !builder.failed.is_empty() {
        return Err(Error::Render(RenderErrors(builder.failed)));
    }
    stage(Stage::Pack);
    let placed = builder.place(&group_of_tuple)?;
    let without = cost::without_each_column(audience, &used, &group_of_tuple, &placed);

    let (to_render, to_name) = (Arc::clone(&content), Arc::clone(&content));
    let mut plan = Plan {
        randoms: MsgRandoms::new(&header.run_id),
        header,
        stats: *audience.stats(),
        columns: audience.columns().to_vec(),
        skipped: placed.skipped,
        waves: placed.waves,
        order: placed.order,
        known: placed.known,
        others: placed.others,
        choices: BTreeMap::new(),
        totals: Totals::default(),
        lengths: placed.lengths.finish(),
        without,
        render: Box::new(move |values| to_render.message(values).unwrap_or_else(|_| unreachable!("{PURE}"))),
        data_id: Box::new(move |batch| to_name.data_id(batch).unwrap_or_else(|_| unreachable!("{PURE}"))),
    };
    stage(Stage::Digest);
    plan.count(content.as_ref(), taken)?;
    Ok(plan)
}

const PURE: &str = "it went well with the same arguments before";

/// Everybody in their place.
pub(super) struct Placed {
    pub(super) waves: Vec<Wave>,
    /// The number under which each of the waves, in sending order, was met.
    pub(super) order: Vec<u32>,
    pub(super) known: Known,
    pub(super) others: Others,
    pub(super) skipped: BTreeMap<NoWave, u64>,
    lengths: Lengths,
}

struct Builder<'a, C: Content> {
    audience: &'a Audience,
    content: &'a C,
    /// In the order in which they were met.
    waves: Vec<Wave>,
    groups: Groups,
    others: Others,
    /// Recipients with values of their own whose message is one of the groups': the group and the account.
    late: Pool,
    lengths: Lengths,
    skipped: BTreeMap<NoWave, u64>,
    failed: Vec<(Place, C::Error)>,
}

impl<'a, C: Content> Builder<'a, C> {
    fn new(audience: &'a Audience, content: &'a C) -> Self {
        let memory = audience.memory();
        Self {
            audience,
            content,
            waves: Vec::new(),
            groups: Groups::new(memory),
            others: Others::new(memory),
            late: Pool::new(memory, 1),
            lengths: Lengths::default(),
            skipped: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    /// How many recipients each tuple has, and how many have one of their own.
    fn count(&self) -> Result<(Vec<u32>, u64), spill::Error> {
        let (mut used, mut own) = (vec![0; self.audience.tuples().len()], 0);
        self.audience.each(|recipient| -> Result<(), spill::Error> {
            match recipient.tuple() {
                Tuple::Known(tuple) => used[tuple.index()] += 1,
                Tuple::Own(_) => own += 1,
            }
            Ok(())
        })?;
        Ok((used, own))
    }

    /// The group of each tuple; `None` where it is nobody's, or has no wave.
    fn render_known(&mut self, used: &[u32]) -> Result<Vec<Option<u32>>, spill::Error> {
        let mut group_of_tuple = Vec::with_capacity(used.len());
        for (tuple, &recipients) in self.audience.tuples().zip(used) {
            let mut group = None;
            if recipients > 0 {
                match rendered(self.content, &self.audience.values(tuple)) {
                    Ok(Ok(Rendered { wave, key, json, warnings })) => {
                        self.lengths.add(&warnings, recipients.into());
                        let wave = self.wave(wave);
                        group = Some(self.groups.add(wave, key, &json, recipients)?);
                    }
                    Ok(Err(no_wave)) => *self.skipped.entry(no_wave).or_default() += u64::from(recipients),
                    Err(error) => self.failed.push((self.audience.place(tuple), error)),
                }
                if self.failed.len() == SAMPLES {
                    break;
                }
            }
            group_of_tuple.push(group);
        }
        Ok(group_of_tuple)
    }

    /// Renders the recipients with values of their own, some thousands at a time.
    fn render_own(&mut self) -> Result<(), spill::Error> {
        let mut gathered = Gathered::default();
        let audience = self.audience;
        audience.each(|recipient| {
            if let Tuple::Own(own) = recipient.tuple()
                && self.failed.len() < SAMPLES
            {
                gathered.add(&recipient, own);
                if gathered.recipients.len() == RENDERED_AT_ONCE {
                    self.take(&mut gathered)?;
                }
            }
            Ok(())
        })?;
        self.take(&mut gathered)
    }

    fn take(&mut self, gathered: &mut Gathered) -> Result<(), spill::Error> {
        for (recipient, rendered) in gathered.recipients.iter().zip(gathered.render(self.content)) {
            let (tuple, account) = gathered.texts(recipient);
            match rendered {
                Ok(Ok(Rendered { wave, key, warnings, .. })) => {
                    self.lengths.add(&warnings, 1);
                    let wave = self.wave(wave);
                    if let Some(group) = self.groups.find(wave, key) {
                        self.groups.add_to(group, 1);
                        self.late.append(0, |record| {
                            put_number(record, group.into());
                            put_bytes(record, account);
                        })?;
                    } else {
                        self.others.put(wave, key, tuple, account)?;
                    }
                }
                Ok(Err(no_wave)) => *self.skipped.entry(no_wave).or_default() += 1,
                Err(error) if self.failed.len() < SAMPLES => {
                    self.failed.push((self.audience.place_of(recipient.position), error));
                }
                Err(_) => {}
            }
        }
        gathered.clear();
        Ok(())
    }

    /// The number of a wave, in the order in which they are met.
    fn wave(&mut self, wave: Wave) -> u32 {
        let known = self.waves.iter().position(|known| *known == wave);
        known.unwrap_or_else(|| {
            self.waves.push(wave);
            self.waves.len() - 1
        }) as u32
    }

    fn place(self, group_of_tuple: &[Option<u32>]) -> Result<Placed, spill::Error> {
        let mut order: Vec<u32> = (0..self.waves.len() as u32).collect();
        order.sort_by_key(|&wave| &self.waves[wave as usize]);
        let mut ranks = vec![0; order.len()];
        for (rank, &wave) in (0..).zip(&order) {
            ranks[wave as usize] = rank;
        }
        let mut placing = self.groups.place(&ranks);
        self.audience.each(|recipient| match recipient.tuple() {
            Tuple::Known(tuple) => match group_of_tuple[tuple.index()] {
                Some(group) => placing.put(group, recipient.account_bytes()),
                None => Ok(()),
            },
            Tuple::Own(_) => Ok(()),
        })?;
        let mut late = self.late.read(0);
        while let Some(chunk) = late.next()? {
            let mut fields = Fields::new(chunk);
            while !fields.is_empty() {
                placing.put(fields.u32(), fields.bytes())?;
            }
        }
        Ok(Placed {
            waves: order.iter().map(|&wave| self.waves[wave as usize].clone()).collect(),
            order,
            known: placing.finish(),
            others: self.others,
            skipped: self.skipped,
            lengths: self.lengths,
        })
    }
}

/// What comes of a tuple.
struct Rendered {
    wave: Wave,
    key: Key,
    json: String,
    warnings: Vec<LengthWarning>,
}

fn rendered<C: Content>(content: &C, values: &[Value<'_>]) -> Result<Result<Rendered, NoWave>, C::Error> {
    let wave = match content.wave(values) {
        Ok(wave) => wave,
        Err(no_wave) => return Ok(Err(no_wave)),
    };
    let json = content.message(values)?;
    let key = digest::key(&json);
    let warnings = lint(&json);
    Ok(Ok(Rendered { wave, key, json, warnings }))
}

/// Recipients with values of their own, for the threads to share.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    recipients: Vec<Own>,
}

/// Where a recipient's tuple and account end in the bytes; it begins where the one before it ends.
struct Own {
    start: usize,
    tuple_end: usize,
    end: usize,
    position: u64,
}

impl Gathered {
    fn add(&mut self, recipient: &Recipient<'_>, own: OwnTuple<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(own.text().as_bytes());
        let tuple_end = self.bytes.len();
        self.bytes.extend_from_slice(recipient.account_bytes());
        self.recipients.push(Own { start, tuple_end, end: self.bytes.len(), position: own.position() });
    }

    fn texts(&self, own: &Own) -> (&str, &[u8]) {
        let tuple = std::str::from_utf8(&self.bytes[own.start..own.tuple_end]).expect("it was a text");
        (tuple, &self.bytes[own.tuple_end..own.end])
    }

    /// Renders all of them, in order.
    fn render<C: Content>(&self, content: &C) -> Vec<Result<Result<Rendered, NoWave>, C::Error>> {
        let one = |own: &Own| rendered(content, &decode(self.texts(own).0));
        let (first, second) = self.recipients.split_at(self.recipients.len() / 2);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| second.iter().map(one).collect::<Vec<_>>());
            let mut all: Vec<_> = first.iter().map(one).collect();
            all.extend(second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            all
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.recipients.clear();
    }
}
