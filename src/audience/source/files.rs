//! Reads the files of a source one after the other, as if they were one.

use std::path::{Path, PathBuf};

use super::{Block, Error, Reader};
use crate::campaign::Files;

pub(super) struct FilesReader<'s, Open> {
    rest: std::iter::Enumerate<std::slice::Iter<'s, PathBuf>>,
    open: Open,
    /// The file at hand and its index.
    current: Option<(usize, Box<dyn Reader + 's>)>,
}

impl<'s, Open> FilesReader<'s, Open>
where
    Open: Fn(&'s Path) -> Result<Box<dyn Reader + 's>, Error> + Send,
{
    pub(super) fn new(files: &'s Files, open: Open) -> Self {
        Self { rest: files.paths.iter().enumerate(), open, current: None }
    }
}

impl<'s, Open> Reader for FilesReader<'s, Open>
where
    Open: Fn(&'s Path) -> Result<Box<dyn Reader + 's>, Error> + Send,
{
    fn fill(&mut self, block: &mut Block<'_>) -> Result<bool, Error> {
        while !block.is_full() {
            if self.current.is_none() {
                let Some((index, path)) = self.rest.next() else { return Ok(false) };
                self.current = Some((index, (self.open)(path)?));
            }
            let Some((index, reader)) = &mut self.current else { return Ok(false) };
            block.begin_file(*index);
            if !reader.fill(block)? {
                self.current = None;
            }
        }
        Ok(true)
    }
}
