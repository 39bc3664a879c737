//! The names of operations that were done, so that one whose reply was lost can be sent again. It must
//! be noted in the very transaction that does the operation.

use super::{Tx, json, to_json};
use crate::directory::OperationId;
use crate::error::VaultError;

/// How many are remembered. Who got no reply asks again within seconds.
const REMEMBERED: usize = 256;

/// Notes an operation as done; `false` if it was done before.
pub(crate) fn first_time(tx: &Tx<'_>, operation: &OperationId) -> Result<bool, VaultError> {
    let mut done: Vec<String> =
        tx.meta("operations")?.map(|text| json(&text)).transpose()?.unwrap_or_default();
    if done.iter().any(|known| known == operation.as_str()) {
        return Ok(false);
    }
    done.push(operation.as_str().to_owned());
    let over = done.len().saturating_sub(REMEMBERED);
    done.drain(..over);
    tx.set_meta("operations", &to_json(&done)?)?;
    Ok(true)
}
