//! One pace, shared by jobs that each have windows: the runs take turns call by call, and of a run the job that closes
//! first has its turn.
//!
//! Between two events (a window opens or closes, a job ends) every run goes on at a steady share, so it is enough to go
//! from event to event. Times are seconds from the present.

/// What is sent in one wave of a run.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Jobs of one run share its turns.
    pub(super) run: usize,
    /// From and until when it may be sent, in order.
    pub(super) windows: Vec<(f64, f64)>,
    /// How many calls it has.
    pub(super) calls: f64,
    /// The time a call takes from the pace.
    pub(super) gap_s: f64,
}

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fate {
    /// When its first call leaves.
    pub(super) started_s: Option<f64>,
    /// When the last of the calls that leave does.
    pub(super) ended_s: Option<f64>,
    /// The share of its calls that never leave, 0 to 1.
    pub(super) unsent: f64,
}

/// Less than this part of a call is a rounding error.
const NEGLIGIBLE: f64 = 1e-6;

struct Member {
    job: Job,
    left: f64,
    fate: Fate,
}

impl Member {
    fn new(mut job: Job) -> Self {
        // What has closed already is no window any more, and none opens before the present.
        job.windows.retain(|(_, closes)| *closes > 0.0);
        job.windows.iter_mut().for_each(|(opens, _)| *opens = opens.max(0.0));
        let fate = Fate { started_s: None, ended_s: None, unsent: 0.0 };
        Self { left: job.calls, job, fate }
    }

    /// The end of the window that is open.
    fn closes(&self, now: f64) -> Option<f64> {
        let window = self.job.windows.iter().find(|(_, closes)| *closes > now)?;
        (window.0 <= now).then_some(window.1)
    }

    /// When a window opens or closes next; `None` where the last one has closed.
    fn turn(&self, now: f64) -> Option<f64> {
        let edges = self.job.windows.iter().flat_map(|(opens, closes)| [*opens, *closes]);
        edges.into_iter().find(|edge| *edge > now)
    }

    fn is_done(&self) -> bool {
        self.left < NEGLIGIBLE
    }
}

/// The fate of each job, in the order in which they are given.
pub(super) fn share(jobs: Vec<Job>) -> Vec<Fate> {
    let mut members: Vec<Member> = jobs.into_iter().map(Member::new).collect();
    // What opens later is looked at when its time comes, so that a long calendar costs no more than its parts.
    let mut later: Vec<usize> = (0..members.len()).collect();
    later.sort_by(|a, b| opening(&members[*b]).total_cmp(&opening(&members[*a])));
    let mut live: Vec<usize> = Vec::new();
    let mut now = 0.0;
    loop {
        while let Some(member) = later.pop_if(|member| opening(&members[*member]) <= now) {
            live.push(member);
        }
        live.retain(|member| !members[*member].is_done() && members[*member].turn(now).is_some());
        let turns = turns(&members, &live, now);
        let round_s: f64 = turns.iter().map(|member| members[*member].job.gap_s).sum();
        let windows = live.iter().filter_map(|member| members[*member].turn(now));
        let opens = later.last().map(|member| opening(&members[*member]));
        let ends = turns.iter().map(|member| now + members[*member].left * round_s);
        let Some(next) = windows.chain(opens).chain(ends).reduce(f64::min).filter(|next| next.is_finite())
        else {
            break;
        };
        for member in turns {
            let Member { job, left, fate } = &mut members[member];
            fate.started_s.get_or_insert(now);
            // Without a limit a round takes no time, and everything leaves at once.
            let sent = if round_s > 0.0 { (next - now) / round_s } else { *left };
            *left -= sent;
            // The gap after the last call is nobody's.
            let last = if *left < NEGLIGIBLE { next - job.gap_s } else { next };
            fate.ended_s = Some(last.max(fate.started_s.unwrap_or(now)));
        }
        now = next;
    }
    members.into_iter().map(|member| Fate { unsent: unsent(&member), ..member.fate }).collect()
}

fn unsent(member: &Member) -> f64 {
    if member.is_done() { 0.0 } else { member.left / member.job.calls }
}

/// When the first window of a member opens; at once where it has none any more.
fn opening(member: &Member) -> f64 {
    member.job.windows.first().map_or(0.0, |(opens, _)| *opens)
}

/// The member of each run whose turn it is.
fn turns(members: &[Member], live: &[usize], now: f64) -> Vec<usize> {
    let mut turns: Vec<(usize, f64)> = Vec::new();
    for &member in live {
        let Some(closes) = members[member].closes(now) else { continue };
        match turns.iter_mut().find(|(other, _)| members[*other].job.run == members[member].job.run) {
            Some(turn) if turn.1 > closes => *turn = (member, closes),
            Some(_) => {}
            None => turns.push((member, closes)),
        }
    }
    turns.into_iter().map(|(member, _)| member).collect()
}
