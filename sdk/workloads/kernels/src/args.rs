//! Kernel parameters: what the plan writes, and the bits that the kernel gets.

use tessera_protocol::spec::Arg;

use crate::file::ArgEntry;

/// The keys that say what an argument is.
const KEYS: &str = "buffer, unit, round, u32, i32, f32, u64, i64, f64 or bytes";

/// The parameter that an entry of `args` means; `Err` says what is wrong. `text` is that of the whole plan.
pub(crate) fn arg(
    entry: &ArgEntry,
    text: &str,
    units: u64,
    buffer: impl Fn(&str) -> Result<u16, String>,
) -> Result<Arg, String> {
    let mut found = vec![];
    if let Some(name) = &entry.buffer {
        found.push(Arg::Buffer { index: buffer(name)?, offset: entry.offset.unwrap_or(0) });
    }
    if let Some(width) = &entry.unit {
        found.push(unit(width, units)?);
    }
    if let Some(width) = &entry.round {
        if width != "u32" {
            return Err(format!("round: expected \"u32\", found {width:?}"));
        }
        found.push(Arg::Round32);
    }
    found.extend(entry.u32.map(Arg::Bits32));
    found.extend(entry.i32.map(|value| Arg::Bits32(value.cast_unsigned())));
    if let Some(value) = &entry.f32 {
        found.push(Arg::Bits32(float(text.get(value.span()).unwrap_or_default())?.to_bits()));
    }
    found.extend(entry.u64.map(Arg::Bits64));
    found.extend(entry.i64.map(|value| Arg::Bits64(value.cast_unsigned())));
    if let Some(value) = entry.f64 {
        if value.is_nan() {
            return Err(nan("f64", "u64"));
        }
        found.push(Arg::Bits64(value.to_bits()));
    }
    if let Some(digits) = &entry.bytes {
        let bytes = hex::decode(digits)
            .map_err(|error| format!("bytes: expected pairs of hexadecimal digits, found {digits:?} ({error})"))?;
        if bytes.is_empty() {
            return Err("bytes: expected at least one byte, found none; leave the argument out".into());
        }
        found.push(Arg::Bytes(bytes));
    }
    let count = found.len();
    let Some(arg) = found.pop().filter(|_| count == 1) else {
        return Err(format!("an argument has exactly one of {KEYS}, found {count} of them; write one table for each"));
    };
    if entry.offset.is_some() && entry.buffer.is_none() {
        return Err("offset goes with buffer alone; remove it, or name the buffer".into());
    }
    Ok(arg)
}

/// The unit's number, in 4 or 8 bytes.
fn unit(width: &str, units: u64) -> Result<Arg, String> {
    match width {
        "u32" if units > 1 << 32 => Err(format!(
            "unit = \"u32\" cannot number {units} units; take \"u64\", and unsigned long long in the kernel"
        )),
        "u32" => Ok(Arg::Unit32),
        "u64" => Ok(Arg::Unit64),
        other => Err(format!("unit: expected \"u32\" or \"u64\", found {other:?}")),
    }
}

/// The float nearest to a number as it is written. Read from the text, since a detour over 64 bits could round twice.
fn float(written: &str) -> Result<f32, String> {
    let plain = written.replace('_', "");
    let value: f32 =
        plain.parse().map_err(|_| format!("f32: expected a decimal number such as 0.05, found {written:?}"))?;
    if value.is_nan() {
        return Err(nan("f32", "u32"));
    }
    if value.is_infinite() && !plain.contains("inf") {
        return Err(format!("f32: {written} is beyond the range of 32 bits; take f64, and double in the kernel"));
    }
    Ok(value)
}

fn nan(float: &str, bits: &str) -> String {
    format!("{float}: nan has many bit patterns; pass the one you mean as {bits}, for example {bits} = 0x7fffffff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_once() {
        // Halfway between two floats once rounded to a double, but not as written.
        let written = "1.00000005960464477540";
        assert_eq!(float(written).unwrap().to_bits(), 0x3f80_0001);
        assert_eq!((written.parse::<f64>().unwrap() as f32).to_bits(), 0x3f80_0000);
        assert_eq!(float("1_000.5"), Ok(1000.5));
        assert_eq!(float("-inf"), Ok(f32::NEG_INFINITY));
        assert!(float("1e39").unwrap_err().contains("f64"));
        assert!(float("nan").unwrap_err().contains("u32"));
    }
}
