//! What the runner does when the place of its state fails: it stops with a clear error before the next call, and
//! nothing is sent that is not recorded.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pushplan::sandbox::{Config, Faults};

use crate::bench::{Bench, Said};
use crate::shim::{self, Act};
use crate::story::{Story, audience, change_audience, pushes};
use crate::table;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

const STATE: &str = ".pushplan/state.db";

/// Runs a small campaign once for every step among `kinds`, each time failing at the next one.
fn fail_every_step(kinds: &str, act: Act) -> usize {
    let next = AtomicUsize::new(1);
    let faults = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while fail_step(kinds, next.fetch_add(1, Ordering::Relaxed), act) {
                    faults.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    faults.into_inner()
}

/// False where there is no such step.
fn fail_step(kinds: &str, number: usize, act: Act) -> bool {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(30, 6, "in_flight: 2");
    let ran = shim::apply(&bench, kinds, number, act);
    let Some(step) = ran.steps.get(number - 1) else {
        ran.said.code(0);
        return false;
    };
    let Said { code, stderr, .. } = &ran.said;
    let arrivals = bench.ledger().arrivals.len();
    match code {
        // A file that only speeds things up, or the tidying after the last commit.
        0 => assert_eq!(Story::of(&bench).unwrap().tally.accepted, 30, "{step}"),
        1 => assert_eq!(arrivals, 0, "{step}: calls were sent, and the exit code denies it"),
        4 => {}
        _ => panic!("{step}: {code}: {stderr}"),
    }
    if *code != 0 {
        assert!(stderr.contains("error: ") && stderr.contains(".pushplan"), "{step}: {stderr}");
    }
    // After a failed fsync the kernel may call the lost pages clean: a second one would lie. Nothing rests on a
    // state that was not set up, and SQLite does not look at what the sync of a folder came to.
    let synced = step.split_once(" f fsync ").map(|(_, file)| file).filter(|file| *file != ".pushplan");
    if let Some(file) = synced.filter(|_| *code != 1) {
        let again = ran.steps[number..].iter().find(|later| later.ends_with(&format!(" f fsync {file}")));
        assert_eq!(again, None, "{step} failed, and was tried again");
    }
    let frozen = Story::of(&bench);
    if let Some(story) = &frozen {
        story.check_midway(&pushes(&bench));
    }
    let changed = change_audience(&bench);
    bench.apply();
    let wanted = if frozen.is_some() { audience(30) } else { changed };
    Story::of(&bench).unwrap().check_settled(&pushes(&bench), &wanted);
    true
}

#[test]
fn an_error_at_any_write_sync_or_read_of_the_state_stops_the_run_before_the_next_call() {
    let failed = fail_every_step("owfr", Act::Fail(EIO));
    println!("EIO at each of {failed} steps of the state");
    assert!(failed > 100, "{failed}");
}

#[test]
fn a_disk_that_is_full_from_any_write_on_stops_the_run_before_the_next_call() {
    let failed = fail_every_step("w", Act::FailFromThen(ENOSPC));
    println!("ENOSPC from each of {failed} writes on");
    assert!(failed > 60, "{failed}");
}

/// A bench whose calls take some milliseconds, with a campaign of sixty.
fn slow_bench() -> Bench {
    let latency = Duration::from_millis(20);
    let faults = Faults { latency_min: latency, latency_max: latency, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.write_campaign(600, 60, "in_flight: 2");
    bench
}

/// Does something to a state whose run is finished, and applies.
fn before(deed: fn(&Path)) -> Said {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(30, 6, "");
    bench.apply().code(0);
    deed(&bench.path(STATE));
    let said = bench.apply();
    assert_eq!(bench.ledger().carried_out, 6, "something was sent on the word of a bad state");
    shortened(said, &bench)
}

/// Does something to the state while it is in use.
fn midway(deed: fn(&Path)) -> Said {
    let bench = slow_bench();
    let child = bench.apply_until(10);
    deed(&bench.path(STATE));
    let said = Said::of(child.wait_with_output().unwrap());
    let sent = bench.ledger().carried_out;
    assert!(sent < 20, "{sent} calls were sent, most of them unrecorded");
    shortened(said, &bench)
}

/// Lets a share of an apply's steps pass, writes (`w`) or also syncs (`f`), and all others fail.
fn failing(steps: &str, share: f64, errno: i32) -> Said {
    let clean = slow_bench();
    let count = shim::apply(&clean, steps, 0, Act::Kill).steps.len();
    let bench = slow_bench();
    let number = ((count as f64 * share) as usize).max(1);
    let ran = shim::apply(&bench, steps, number, Act::FailFromThen(errno));
    Story::of(&bench).inspect(|story| story.check_midway(&pushes(&bench)));
    shortened(ran.said, &bench)
}

fn read_only() -> Said {
    let bench = slow_bench();
    bench.write(".pushplan/.keep", "");
    shortened(shim::apply(&bench, "ow", 1, Act::FailFromThen(EROFS)).said, &bench)
}

/// Without the folder, which is another one each time.
fn shortened(said: Said, bench: &Bench) -> Said {
    let folder = bench.path(".pushplan").canonicalize().unwrap_or_else(|_| bench.path(".pushplan"));
    let folder = format!("{}/", folder.display());
    Said { stderr: said.stderr.replace(&folder, "").replace(folder.trim_end_matches('/'), "."), ..said }
}

fn beside(state: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", state.display()))
}

fn truncate(path: &Path, bytes: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn with_pragma(path: &Path, pragma: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(pragma).unwrap();
}

type Fault = (&'static str, fn() -> Said);

const FAULTS: &[Fault] = &[
    ("the state file is empty", || before(|state| truncate(state, 0))),
    ("the state file is cut off", || before(|state| truncate(state, 10_000))),
    ("the state file is text", || {
        before(|state| std::fs::write(state, "to do: buy milk\n".repeat(99)).unwrap())
    }),
    ("the state file is another program's database", || {
        before(|state| {
            std::fs::remove_file(state).unwrap();
            with_pragma(state, "CREATE TABLE milk (bought); PRAGMA user_version = 3");
        })
    }),
    ("the state file is a newer pushplan's", || {
        before(|state| with_pragma(state, "PRAGMA user_version = 99"))
    }),
    ("the state file is a folder", || {
        before(|state| {
            std::fs::remove_file(state).unwrap();
            std::fs::create_dir(state).unwrap();
        })
    }),
    ("the state file is gone, and its journal is there", || {
        before(|state| {
            std::fs::rename(state, state.with_extension("db-wal")).unwrap();
        })
    }),
    ("the file system is read-only", read_only),
    ("the disk is full from the start", || failing("w", 0.0, ENOSPC)),
    ("the disk is full midway", || failing("w", 0.75, ENOSPC)),
    ("the disk fails from the start", || failing("wf", 0.0, EIO)),
    ("the disk fails midway", || failing("wf", 0.75, EIO)),
    ("the state's folder is deleted midway", || {
        midway(|state| std::fs::remove_dir_all(state.parent().unwrap()).unwrap())
    }),
    ("the lock file is deleted midway", || {
        midway(|state| std::fs::remove_file(beside(state, ".lock")).unwrap())
    }),
    ("the watermark is empty", || before(|state| truncate(&beside(state, ".watermark"), 0))),
    ("the state file is replaced midway", || {
        midway(|state| {
            std::fs::copy(state, state.with_extension("copy")).unwrap();
            std::fs::rename(state.with_extension("copy"), state).unwrap();
        })
    }),
];

#[test]
fn every_fault_of_the_states_place_is_named_with_what_to_do() {
    let rows: Vec<String> = FAULTS
        .iter()
        .map(|(name, fault)| {
            let said = fault();
            let (_, error) =
                said.stderr.rsplit_once("error: ").unwrap_or_else(|| panic!("{name}: {}", said.stderr));
            format!("| {name} | {} | {} |", said.code, error.trim().replace('\n', " · "))
        })
        .collect();
    table::check("Faults of the state's place", &rows);
    println!("{} faults of the state's place", FAULTS.len());
}

/// A small file system of its own, for the state. `None` where we may not mount one.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(bench: &Bench) -> Option<Self> {
        let folder = bench.path(".pushplan");
        std::fs::create_dir_all(&folder).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&folder).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        // Past the harness's capture: a test that passes without having run should be seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: a small tmpfs needs root; ENOSPC and EROFS of the shim remain"
        );
        None
    }

    fn remount(&self, options: &str) {
        let mut command = Command::new("mount");
        let options = format!("remount,{options}");
        assert!(command.args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_really_full_disk_stops_the_run_and_room_lets_it_go_on() {
    let bench = slow_bench();
    let Some(_disk) = Tmpfs::mount(&bench) else { return };
    let child = bench.apply_until(5);
    let filler = bench.path(".pushplan/filler");
    // As much as goes in, the last byte included.
    let _ = std::fs::write(&filler, vec![0; 8 << 20]);
    let said = Said::of(child.wait_with_output().unwrap()).code(4);
    assert!(said.stderr.contains("The disk is full. Free some space and apply again"), "{}", said.stderr);
    Story::of(&bench).unwrap().check_midway(&pushes(&bench));
    std::fs::remove_file(filler).unwrap();
    change_audience(&bench);
    bench.apply();
    Story::of(&bench).unwrap().check_settled(&pushes(&bench), &audience(600));
}

#[test]
fn a_really_read_only_state_sends_nothing() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(30, 6, "");
    let Some(disk) = Tmpfs::mount(&bench) else { return };
    bench.apply().code(0);
    disk.remount("ro");
    let said = bench.apply().code(1);
    assert!(said.stderr.contains("Read-only file system"), "{}", said.stderr);
    assert_eq!(bench.ledger().carried_out, 6);
}
