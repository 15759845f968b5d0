//! A year of fifty campaigns in virtual time: the production schedule, decision and executor under a timer that is down
//! now and then, on a machine whose clock is set and whose process is killed. Every occurrence must come to exactly one
//! fate, and no call may leave outside its window.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use pushplan::apply::{Due, Intention, Known, decide};
use pushplan::campaign::schedule::{Wave, Window, parse_occurrence_id};
use pushplan::campaign::{Campaign, Rate, read_campaign, read_workspace};
use pushplan::executor::{
    End, Event, Executor, Fleet, Limits, Line, Opening, Pace, Settings, Step, Tick, Turn,
};
use pushplan::outcome::Outcome;
use pushplan::state::{Attempt, Batch, BatchState, Change, Hold, Run, Status, Tally};

use crate::random::Random;

const CAMPAIGNS: usize = 50;
const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago"];

/// What a year came to.
#[derive(Debug, Default)]
struct Fates {
    sent: u64,
    skipped: u64,
    missed: u64,
    in_doubt: u64,
    waited: u64,
    crashes: u64,
    jumps: u64,
    ticks: u64,
}

/// A run as the state holds it.
struct Kept {
    run: Run,
    waves: Vec<Wave>,
    batches: Vec<Batch>,
}

struct Year {
    random: Random,
    campaigns: Vec<Campaign>,
    runs: BTreeMap<String, Kept>,
    answered: BTreeMap<String, Timestamp>,
    fates: Fates,
}

fn schedule(random: &mut Random, number: usize) -> String {
    let zone = ZONES[number % ZONES.len()];
    let missed = random.pick(&["skip", "skip", "send", "latest"]);
    let expires = random.pick(&["expires_after: 1h, ", "expires_after: 3h, ", "expires_after: 30h, ", ""]);
    let hour = random.between(0, 23);
    let rule = match number % 5 {
        0 => format!("cron: \"30 {hour} * * *\""),
        1 => format!("cron: \"0 {hour} * * MON,THU\""),
        2 => format!("every: {}d, starts: 2026-01-03T{hour:02}:30", random.between(1, 9)),
        3 => "every: 8h, starts: 2026-02-01T02:30, except: [2026-03-08, 2026-12-24]".to_owned(),
        _ => {
            let (spring, autumn) = (random.between(2, 6), random.between(7, 12));
            format!(
                "at: [2026-0{spring}-11T{hour:02}:00, 2026-{autumn:02}-11T{hour:02}:00, 2027-06-01T00:00]"
            )
        }
    };
    format!("schedule: {{ {rule}, {expires}timezone: {zone}, missed: {missed} }}")
}

fn campaign(random: &mut Random, number: usize) -> Campaign {
    let folder = Path::new(".");
    let apps = b"apps: { a: { sandbox: true }, b: { sandbox: true } }\n".to_vec();
    let (workspace, _) = read_workspace(Path::new("pushplan.yaml"), apps, folder);
    let schedule = schedule(random, number);
    let yaml = format!(
        "campaign: c{number}\napp: {}\naudience: {{ accounts: [x] }}\nmessage: {{ body: b }}\n{schedule}\n",
        ["a", "b"][number % 2]
    );
    let path = format!("c{number}.yaml");
    let read =
        read_campaign(Path::new(&path), yaml.clone().into(), folder, &|_| Ok(Vec::new()), workspace.as_ref());
    read.campaign.unwrap_or_else(|| panic!("{yaml}: {:?}", read.diagnostics))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Year {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let campaigns = (0..CAMPAIGNS).map(|number| campaign(&mut random, number)).collect();
        Self { random, campaigns, runs: BTreeMap::new(), answered: BTreeMap::new(), fates: Fates::default() }
    }

    /// Lives from one new year to the next; the timer calls about once an hour.
    fn live(mut self) -> Result<Fates, String> {
        let (first, last) = (at("2026-01-01T00:00Z"), at("2027-01-01T00:00Z"));
        let (mut now, mut clock_error) = (first, SignedDuration::ZERO);
        while now < last {
            self.tick(now + clock_error)?;
            self.fates.ticks += 1;
            now += SignedDuration::from_secs(self.random.between(600, 5_400) as i64);
            if self.random.chance(8) {
                now += SignedDuration::from_secs(self.random.between(3_600, 12 * 86_400) as i64);
            }
            if self.random.chance(5) {
                self.fates.jumps += 1;
                let off = SignedDuration::from_secs(self.random.between(0, 200_000) as i64 - 100_000);
                clock_error = if self.random.chance(300) { SignedDuration::ZERO } else { off };
            }
        }
        // With the right clock, once more and well after: what was left open comes to its end.
        self.tick(last)?;
        self.tick(last + SignedDuration::from_hours(72))?;
        self.judge(first, last)?;
        Ok(self.fates)
    }

    /// One call of the timer, when the wall clock shows `now`.
    fn tick(&mut self, now: Timestamp) -> Result<(), String> {
        let mut to_send = Vec::new();
        for index in 0..self.campaigns.len() {
            let campaign = &self.campaigns[index];
            let prefix = format!("{}@", campaign.id);
            let own = || {
                let from = self.runs.range(prefix.clone()..);
                from.take_while(|(id, _)| id.starts_with(&prefix)).map(|(_, kept)| &kept.run)
            };
            let open: Vec<Run> =
                own().filter(|run| run.tally.remaining + run.tally.in_doubt > 0).cloned().collect();
            let find = |id: &str| self.runs.get(id).map(|kept| kept.run.clone());
            let answered = self.answered.get(&campaign.id).copied();
            let known = Known { open: &open, find: &find, answered };
            let intentions = decide(campaign, "", &known, now);
            let id = campaign.id.clone();
            let mut news = answered.is_none();
            for intention in intentions {
                match intention {
                    Intention::Start(due) => {
                        news = true;
                        to_send.push(self.freeze(index, &due, None, now)?);
                    }
                    Intention::Miss { due, .. } => {
                        news = true;
                        self.freeze(index, &due, Some(Hold::Missed), now)?;
                    }
                    Intention::Resume(run) => to_send.push(run.id),
                    Intention::Wait { .. } => self.fates.waited += 1,
                    Intention::Settled { .. } | Intention::NotDue { .. } => {}
                    Intention::Held(_) | Intention::Changed(_) => return Err(format!("{intention:?}")),
                }
            }
            if news {
                let answered = self.answered.entry(id).or_insert(now);
                *answered = now.max(*answered);
            }
        }
        if to_send.is_empty() { Ok(()) } else { self.send(&to_send, now) }
    }

    /// A run takes its place in the state; there may be no other of its id.
    fn freeze(
        &mut self,
        campaign: usize,
        due: &Due,
        hold: Option<Hold>,
        now: Timestamp,
    ) -> Result<String, String> {
        let is_local = campaign.is_multiple_of(3);
        let campaign = &self.campaigns[campaign];
        let id = due.run_id(&campaign.id);
        let waves = waves(due, is_local);
        let waves_to_send = if hold.is_some() { 0 } else { waves.len() as u32 };
        let batch = |wave| Batch { recipients: 10, wave, state: BatchState::default() };
        let batches: Vec<Batch> = (0..waves_to_send).flat_map(|wave| [batch(wave), batch(wave)]).collect();
        let planned = batches.iter().map(|batch| u64::from(batch.recipients)).sum();
        let run = Run {
            id: id.clone(),
            campaign: campaign.id.clone(),
            occurrence: due.occurrence.clone(),
            app: campaign.app.clone(),
            from: campaign.from.clone(),
            content_digest: String::new(),
            audience_digest: String::new(),
            plan_digest: String::new(),
            expires_at: due.expires_at,
            delivery: campaign.delivery,
            frozen_at: now,
            hold,
            waits_until: None,
            tally: Tally { planned, remaining: planned, ..Tally::default() },
        };
        match self.runs.insert(id.clone(), Kept { run, waves, batches }) {
            None => Ok(id),
            Some(_) => Err(format!("{id} has a second fate at {now}")),
        }
    }

    /// Sends runs together, with a disk and a server that take no time; sometimes the process is killed midway.
    fn send(&mut self, ids: &[String], start: Timestamp) -> Result<(), String> {
        let mut fleet = Fleet::default();
        let rate = Rate { calls_per_second: Some(30.0), recipients_per_second: None };
        let lines = [0, 1].map(|seed| fleet.add_line(Line::new(Pace::new(Limits::of(rate), []), seed)));
        for id in ids {
            let kept = self.runs.get_mut(id).expect("it was decided about");
            kept.run.waits_until = None;
            for number in 1..=kept.batches.len() as u32 {
                let BatchState { status, attempts } = kept.batches[number as usize - 1].state;
                if status == Status::Sending {
                    kept.change(&Change::Interrupted(Attempt { batch: number, number: attempts }))?;
                }
            }
            let waves = kept.waves.iter().map(|wave| openings(wave, start)).collect();
            let settings = Settings { delivery: kept.run.delivery, waves, stay_until: Tick(0) };
            let executor = Executor::new(settings, kept.batches.clone(), kept.run.tally);
            fleet.add_run(lines[usize::from(kept.run.app == "b")], executor);
        }
        let mut now = Tick(0);
        let dies_after = if self.random.chance(50) { self.random.between(1, 40) } else { u64::MAX };
        for _ in 0..dies_after {
            let wall = start + SignedDuration::from_micros(now.0 as i64);
            match fleet.poll(now) {
                Turn::Done => return Ok(()),
                Turn::Wait(tick) => now = tick.ok_or("everything is durable and answered")?,
                Turn::Do { run, step } => {
                    let kept = self.runs.get_mut(&ids[run]).expect("it was taken up");
                    match step {
                        Step::Commit(changes) => {
                            changes.iter().try_for_each(|change| kept.change(change))?;
                            fleet.handle(now, run, Event::Durable);
                        }
                        Step::Send(attempt) => {
                            kept.check_window(attempt, wall)?;
                            let accepted = Outcome::Accepted { task_id: "t".to_owned(), failed: Vec::new() };
                            fleet.handle(now, run, Event::Answered(attempt, accepted));
                        }
                        Step::Finished(End::Waiting(tick)) => {
                            let opens_at = start + SignedDuration::from_micros(tick.0 as i64);
                            kept.run.waits_until = Some(opens_at);
                        }
                        Step::Finished(End::Complete) => {}
                        step => return Err(format!("{}: {step:?}", ids[run])),
                    }
                }
            }
        }
        self.fates.crashes += 1;
        Ok(())
    }

    /// Every occurrence of the year has exactly one fate, and nothing else has any.
    fn judge(&mut self, first: Timestamp, last: Timestamp) -> Result<(), String> {
        let mut wanted = 0;
        for campaign in &self.campaigns {
            let schedule = campaign.schedule.as_ref().expect("all are scheduled");
            for occurrence in schedule.occurrences(first, last) {
                wanted += 1;
                let id = Due::from(occurrence).run_id(&campaign.id);
                let kept = self.runs.get(&id).ok_or_else(|| format!("{id} has no fate"))?;
                let Tally { planned, accepted, in_doubt, skipped, remaining, failed } = kept.run.tally;
                if !kept.run.tally.balances() || remaining + failed > 0 {
                    return Err(format!("{id} is without an end: {}", kept.run.tally));
                }
                match (kept.run.hold, planned) {
                    (Some(Hold::Missed), 0) => self.fates.missed += 1,
                    (None, 1..) if skipped == planned => self.fates.skipped += 1,
                    (None, 1..) if accepted + skipped == planned => self.fates.sent += 1,
                    (None, 1..) if in_doubt > 0 => self.fates.in_doubt += 1,
                    fate => return Err(format!("{id}: {fate:?}")),
                }
            }
        }
        // What was open already when the timer first called is run too.
        let of_the_year = |kept: &&Kept| {
            let at = parse_occurrence_id(&kept.run.occurrence);
            at.is_some_and(|at| (first..last).contains(&at))
        };
        let known = self.runs.values().filter(of_the_year).count();
        if known == wanted { Ok(()) } else { Err(format!("{known} runs of {wanted} occurrences")) }
    }
}

impl Kept {
    fn change(&mut self, change: &Change) -> Result<(), String> {
        let batch = &mut self.batches[change.batch() as usize - 1];
        let recipients = u64::from(batch.recipients);
        self.run.tally.remove(batch.state.status, recipients, 0);
        batch.state = batch.state.apply(change).map_err(|illegal| illegal.to_string())?;
        self.run.tally.add(batch.state.status, recipients, 0);
        Ok(())
    }

    fn check_window(&self, attempt: Attempt, wall: Timestamp) -> Result<(), String> {
        let wave = &self.waves[self.batches[attempt.batch as usize - 1].wave as usize];
        let is_open = |window: &Window| {
            window.opens_at.is_none_or(|at| at <= wall) && window.closes_at.is_none_or(|at| wall < at)
        };
        if wave.windows.iter().any(is_open) {
            Ok(())
        } else {
            Err(format!("{}: {attempt:?} left at {wall}, outside {wave:?}", self.run.id))
        }
    }
}

/// One wave, or one an hour for three zones, the last of them with a night between its windows.
fn waves(due: &Due, is_local: bool) -> Vec<Wave> {
    let (Some(occurrence), Some(expires_at), true) = (due.scheduled, due.expires_at, is_local) else {
        return vec![Wave::until(due.expires_at)];
    };
    let at = occurrence.late_from.unwrap_or(occurrence.at);
    let late = expires_at.duration_since(at);
    let window = |from: i64, until: SignedDuration| Window {
        opens_at: Some(at + SignedDuration::from_hours(from)),
        closes_at: Some(at + SignedDuration::from_hours(from) + until),
    };
    let night = window(2, late / 4);
    let morning = Window { opens_at: Some(night.opens_at.unwrap() + late / 2), ..window(2, late) };
    let wave = |zone: &str, windows| Wave { windows, zone: Some(zone.to_owned()) };
    vec![
        wave("Asia/Tokyo", vec![window(0, late)]),
        wave("Asia/Shanghai", vec![window(1, late)]),
        wave("Asia/Bangkok", vec![night, morning]),
    ]
}

fn openings(wave: &Wave, start: Timestamp) -> Vec<Opening> {
    let tick = |at: Timestamp| Tick(at.duration_since(start).as_micros().try_into().unwrap_or(0));
    let opening = |window: &Window| Opening {
        opens_at: window.opens_at.map_or(Tick(0), tick),
        closes_at: window.closes_at.map(tick),
    };
    wave.windows.iter().map(opening).collect()
}

#[test]
fn every_occurrence_of_a_year_has_exactly_one_fate() {
    for seed in 0..2 {
        let fates = Year::new(seed).live().unwrap_or_else(|broken| panic!("year {seed}: {broken}"));
        println!("year {seed}: {fates:?}");
        for (what, count) in [
            ("sent", fates.sent),
            ("skipped", fates.skipped),
            ("missed", fates.missed),
            ("in doubt", fates.in_doubt),
            ("waiting", fates.waited),
            ("crashes", fates.crashes),
            ("jumps", fates.jumps),
        ] {
            assert!(count > 0, "year {seed} has nothing {what}: {fates:?}");
        }
    }
}
