//! Kernels with a launch plan, read from a `plan.toml`.

use std::path::{Path, PathBuf};

use tessera_protocol::spec::{Arg, Buffer, BufferInit, Launch, LaunchPlan};
use toml::{Table, Value};

/// The folder of the kernel library.
pub fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/workloads/kernels")
}

/// Kernels, and the launches that compute a unit.
pub struct Program {
    pub name: String,
    /// The `.cu` file.
    pub source: PathBuf,
    /// The PTX that was made from it.
    pub module: String,
    pub plan: LaunchPlan,
    pub inputs: Vec<Vec<u8>>,
    pub units: u64,
}

impl Program {
    /// Reads `plan.toml` in a folder. No step is repeated more than `most_times`, whatever the plan says.
    pub fn read(folder: &Path, most_times: u64) -> Self {
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let text = String::from_utf8(read("plan.toml")).expect("plan.toml is text");
        let plan: Table = text.parse().unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let files = plan.get("inputs").map(table).cloned().unwrap_or_default();
        let inputs: Vec<Vec<u8>> = files.values().map(|file| read(string(file))).collect();
        let input =
            |name: &Value| files.keys().position(|key| key == string(name)).expect("an input of the plan") as u16;
        let buffers = array(&plan["buffer"]);
        let names: Vec<&str> = buffers.iter().map(|buffer| string(&table(buffer)["name"])).collect();
        let buffers = buffers.iter().map(table).map(|buffer| {
            let named = buffer.get("input").map(|name| BufferInit::Input(input(name)));
            let init = named.or_else(|| buffer.get("copy").map(|name| BufferInit::Copy(input(name))));
            match init.unwrap_or(BufferInit::Zero) {
                BufferInit::Zero => Buffer { len: number(&buffer["len"]), init: BufferInit::Zero },
                init @ (BufferInit::Input(n) | BufferInit::Copy(n)) => {
                    Buffer { len: inputs[usize::from(n)].len() as u64, init }
                }
            }
        });
        let buffers = buffers.collect();
        let mut launches = Vec::new();
        for step in array(&plan["step"]).iter().map(table) {
            let once: Vec<Launch> =
                array(&step["launch"]).iter().map(|launch| read_launch(table(launch), &names)).collect();
            for _ in 0..step.get("times").map_or(1, number).min(most_times) {
                launches.extend(once.iter().cloned());
            }
        }
        let source = folder.join(string(&plan["module"]));
        Self {
            name: string(&plan["name"]).to_string(),
            module: std::fs::read_to_string(source.with_extension("ptx")).expect("the PTX next to the kernels"),
            source,
            plan: LaunchPlan { buffers, launches, output: index(&names, &plan["output"]) },
            inputs,
            units: number(&plan["units"]),
        }
    }
}

fn read_launch(launch: &Table, names: &[&str]) -> Launch {
    let shape = |key: &str| {
        let mut out = [1; 3];
        for (out, value) in out.iter_mut().zip(array(&launch[key])) {
            *out = number(value) as u32;
        }
        out
    };
    Launch {
        kernel: string(&launch["kernel"]).to_string(),
        grid: shape("grid"),
        block: shape("block"),
        shared_len: launch.get("shared").map_or(0, number) as u32,
        args: array(&launch["args"]).iter().map(|arg| read_arg(table(arg), names)).collect(),
    }
}

fn read_arg(arg: &Table, names: &[&str]) -> Arg {
    if let Some(buffer) = arg.get("buffer") {
        return Arg::Buffer { index: index(names, buffer), offset: arg.get("offset").map_or(0, number) };
    }
    let (kind, value) = arg.iter().next().expect("an argument has a value");
    match (kind.as_str(), value) {
        ("unit", width) if width.as_str() == Some("u32") => Arg::Unit32,
        ("unit", _) => Arg::Unit64,
        ("u32" | "i32", Value::Integer(n)) => Arg::Bits32(*n as u32),
        ("u64" | "i64", Value::Integer(n)) => Arg::Bits64(*n as u64),
        ("f32", Value::Float(x)) => Arg::Bits32((*x as f32).to_bits()),
        ("f64", Value::Float(x)) => Arg::Bits64(x.to_bits()),
        _ => panic!("argument {kind} = {value} is not used by any example"),
    }
}

fn index(names: &[&str], name: &Value) -> u16 {
    names.iter().position(|other| *other == string(name)).unwrap_or_else(|| panic!("no buffer {name}")) as u16
}

fn table(value: &Value) -> &Table {
    value.as_table().unwrap_or_else(|| panic!("{value} is not a table"))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is not an array"))
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

fn number(value: &Value) -> u64 {
    value.as_integer().and_then(|n| u64::try_from(n).ok()).unwrap_or_else(|| panic!("{value} is not a whole number"))
}
