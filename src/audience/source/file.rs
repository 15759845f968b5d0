//! Opens a file, decompressing by its ending.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::Error;

/// Large enough that system calls do not show beside the parsing.
pub(super) const BUFFER_BYTES: usize = 1 << 17;

/// What a reader of a file needs to speak of it.
#[derive(Debug)]
pub(super) struct Named {
    /// The path.
    pub(super) name: String,
    compressed: bool,
}

impl Named {
    /// A failure to read on.
    pub(super) fn error(&self, cause: io::Error) -> Error {
        let name = self.name.clone();
        if self.compressed { Error::Damaged { name, cause } } else { Error::Io { name, cause } }
    }
}

/// The plain bytes of a file: `.gz` and `.zst` (in any case, of one or several members) are decompressed.
pub(super) fn open(path: &Path) -> Result<(Named, Box<dyn Read + Send>), Error> {
    let name = path.display().to_string();
    let io_error = |cause| Error::Io { name: name.clone(), cause };
    let file = File::open(path).map_err(io_error)?;
    if file.metadata().map_err(io_error)?.is_dir() {
        return Err(io_error(io::ErrorKind::IsADirectory.into()));
    }
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (compressed, reader): (bool, Box<dyn Read + Send>) = match ending.as_str() {
        "gz" => (true, Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file)))),
        "zst" => (true, Box::new(zstd::Decoder::new(file).map_err(io_error)?)),
        _ => (false, Box::new(file)),
    };
    Ok((Named { name, compressed }, reader))
}
