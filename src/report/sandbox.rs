//! What a sandbox has seen, when it ends.

use super::number::grouped;
use crate::sandbox::Ledger;

/// Totals, a line each.
pub fn text(ledger: &Ledger) -> String {
    let mut text = format!(
        "carried out {} calls to {} recipients; dropped {} for a MsgRandom repeated within a second\n",
        grouped(ledger.carried_out),
        grouped(ledger.recipients),
        grouped(ledger.duplicates)
    );
    for (code, count) in &ledger.refused {
        text += &format!("refused {} calls with {code}\n", grouped(*count));
    }
    for (fault, count) in &ledger.faults {
        text += &format!("{fault}: {} calls\n", grouped(*count));
    }
    text
}
