//! Opens a file, decompressing by its ending.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::Error;

/// Large enough that system calls do not show beside the parsing.
pub(super) const BUFFER_BYTES: usize = 1 << 17;

/// What a format's reader needs to speak of its input.
#[derive(Debug)]
pub(super) struct Named {
    /// The file's path, or whose output it is.
    pub(super) name: String,
    pub(super) origin: Origin,
}

/// Where bytes come from, which decides what a failure to read them means.
#[derive(Debug)]
pub(super) enum Origin {
    File,
    CompressedFile,
    /// The program of this name.
    Program(String),
}

impl Named {
    /// A failure to read on.
    pub(super) fn error(&self, cause: io::Error) -> Error {
        let name = self.name.clone();
        match &self.origin {
            Origin::File => Error::Io { name, cause },
            Origin::CompressedFile => Error::Damaged { name, cause },
            Origin::Program(program) => {
                Error::Program { program: program.clone(), reason: cause.to_string() }
            }
        }
    }
}

/// Bytes to parse, and what to call them.
pub(super) type Input = (Named, Box<dyn Read + Send>);

/// A file and what to call it.
pub(super) fn open_plain(path: &Path) -> Result<(String, File), Error> {
    let name = path.display().to_string();
    let io_error = |cause| Error::Io { name: name.clone(), cause };
    let file = File::open(path).map_err(io_error)?;
    if file.metadata().map_err(io_error)?.is_dir() {
        return Err(io_error(io::ErrorKind::IsADirectory.into()));
    }
    Ok((name, file))
}

/// The plain bytes of a file: `.gz` and `.zst` (in any case, of one or several members) are decompressed.
pub(super) fn open(path: &Path) -> Result<Input, Error> {
    let (name, file) = open_plain(path)?;
    let io_error = |cause| Error::Io { name: name.clone(), cause };
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (origin, reader): (Origin, Box<dyn Read + Send>) = match ending.as_str() {
        "gz" => (
            Origin::CompressedFile,
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file))),
        ),
        "zst" => (Origin::CompressedFile, Box::new(zstd::Decoder::new(file).map_err(io_error)?)),
        _ => (Origin::File, Box::new(file)),
    };
    Ok((Named { name, origin }, reader))
}
