//! What a timer's apply remembers of campaign files, so that a call with nothing due need not read them.
//!
//! Reading and checking a thousand files takes a quarter of a second; asking the file system whether they have changed
//! takes a few milliseconds. The agenda says of each file when its campaign is due next. It holds only while *no* file
//! of the workspace has changed, come or gone, because campaigns are checked against each other, and only from the
//! instant on at which it was made. Anything else, a damaged agenda too, means reading everything.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::campaign::Campaign;

/// A change of what is remembered, or of how schedules are understood, is a new version.
const FORMAT: &str = concat!("pushplan.agenda/1 ", env!("CARGO_PKG_VERSION"));

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Agenda {
    format: String,
    /// It says nothing of what was due before.
    made_at: Timestamp,
    /// Of the state that knows what was sent.
    lineage: String,
    workspace: Stamp,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    file: PathBuf,
    stamp: Stamp,
    campaign: String,
    /// When the campaign has to be looked at next; `None` is never.
    next: Option<Timestamp>,
}

/// A file as the file system tells it apart from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: file.ino(),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// What an agenda is of: the files as they were before they were read, so that a change meanwhile is noticed.
#[derive(Debug)]
pub(super) struct Basis {
    lineage: String,
    workspace: Stamp,
    files: Vec<(PathBuf, Stamp)>,
}

impl Basis {
    /// Of the workspace file, all campaign files in order, and the lineage of the state; `None` where a file has gone.
    pub(super) fn new(workspace: &Path, files: Vec<PathBuf>, lineage: String) -> Option<Self> {
        let stamped = files.into_iter().map(|file| Stamp::of(&file).map(|stamp| (file, stamp)));
        Some(Self { lineage, workspace: Stamp::of(workspace)?, files: stamped.collect::<Option<_>>()? })
    }
}

impl Agenda {
    /// An agenda of these files, whose campaigns were read since, in the same order.
    pub(super) fn new(basis: Basis, campaigns: &[Campaign], now: Timestamp) -> Self {
        let entry = |((file, stamp), campaign): ((PathBuf, Stamp), &Campaign)| Entry {
            file,
            stamp,
            campaign: campaign.id.clone(),
            next: next(campaign, now),
        };
        Self {
            format: FORMAT.to_owned(),
            made_at: now,
            lineage: basis.lineage,
            workspace: basis.workspace,
            entries: basis.files.into_iter().zip(campaigns).map(entry).collect(),
        }
    }

    /// The agenda that was written last, where it still holds.
    pub(super) fn read(path: &Path, basis: &Basis, now: Timestamp) -> Option<Self> {
        let agenda: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let files = agenda.entries.iter().map(|entry| (&entry.file, entry.stamp));
        let holds = agenda.format == FORMAT
            && agenda.made_at <= now
            && agenda.lineage == basis.lineage
            && agenda.workspace == basis.workspace
            && files.eq(basis.files.iter().map(|(file, stamp)| (file, *stamp)));
        holds.then_some(agenda)
    }

    /// Writes it, whole or not at all. Where that cannot be, the next call reads every file.
    pub(super) fn write(&self, path: &Path) {
        let new = path.with_extension("agenda.new");
        let text = serde_json::to_vec(self).expect("an agenda is plain data");
        if let Err(error) = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path)) {
            tracing::debug!("the agenda {} cannot be written: {error}", path.display());
        }
    }

    /// The files of campaigns that are to be looked at now: because it is time, or because a run of theirs is `open`.
    pub(super) fn to_read(&self, open: &HashSet<String>, now: Timestamp) -> Vec<PathBuf> {
        let is_wanted =
            |entry: &&Entry| entry.next.is_some_and(|next| next <= now) || open.contains(&entry.campaign);
        self.entries.iter().filter(is_wanted).map(|entry| entry.file.clone()).collect()
    }

    /// These campaigns were looked at now. One of which something could not be planned is looked at again the next time.
    pub(super) fn note(&mut self, campaigns: &[Campaign], failed: bool, now: Timestamp) {
        for campaign in campaigns {
            if let Some(entry) = self.entries.iter_mut().find(|entry| entry.campaign == campaign.id) {
                entry.next = if failed { Some(now) } else { next(campaign, now) };
            }
        }
    }

    /// What is due next after `now`, and when.
    pub(super) fn next_after(&self, now: Timestamp) -> Option<(&str, Timestamp)> {
        let next = self.entries.iter().filter_map(|entry| Some((entry.campaign.as_str(), entry.next?)));
        next.filter(|(_, at)| *at > now).min_by_key(|(_, at)| *at)
    }
}

fn next(campaign: &Campaign, now: Timestamp) -> Option<Timestamp> {
    Some(campaign.schedule.as_ref()?.next_after(now)?.opens_at)
}
