//! `tessera module`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tessera_ptx::Module;

use crate::{options::Options, output::print};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Say whether providers run a module, and if not, which lines are in the way
    Check(Check),
}

#[derive(clap::Args, Debug)]
pub struct Check {
    /// The module: a .ptx file, or a .cu file, which is compiled first
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the module's text to this file, whose lines are those that are spoken of
    #[arg(long, value_name = "FILE")]
    ptx: Option<PathBuf>,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    file: PathBuf,
    accepted: bool,
    kernels: Vec<KernelView>,
    refusals: Vec<RefusalView>,
}

/// A kernel and the bytes of its parameters, which the arguments of a launch must have.
#[derive(Serialize)]
struct KernelView {
    name: String,
    parameters: Vec<usize>,
}

/// Something that providers do not run.
#[derive(Serialize)]
struct RefusalView {
    line: u32,
    /// From 1; 0 where the whole line is meant.
    column: u32,
    instruction: String,
    reason: String,
    /// What to write in its place, where there is something.
    instead: Option<String>,
    /// The line itself.
    text: String,
}

pub fn run(options: &Options, command: Command) -> Result<()> {
    let Command::Check(args) = command;
    let text = tessera_kernels::module_text(&args.file)?;
    if let Some(path) = &args.ptx {
        fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = check(&args.file, &text);
    print(options.json, &report, plain)?;
    match report.refusals.len() {
        0 => Ok(()),
        1 => bail!("{} is refused: no provider will run it", args.file.display()),
        count => bail!("{} is refused for {count} reasons: no provider will run it", args.file.display()),
    }
}

fn check(file: &Path, text: &str) -> Report {
    let line_of = |line: u32| {
        let index = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
        index.and_then(|index| text.lines().nth(index)).unwrap_or_default().trim().to_owned()
    };
    let (kernels, refusals) = match Module::parse(text) {
        Ok(module) => {
            let kernels = module.kernels().iter().map(|kernel| KernelView {
                name: kernel.name().to_owned(),
                parameters: kernel.params().iter().map(|parameter| parameter.len).collect(),
            });
            let refusals = module.check().into_iter().map(|refusal| RefusalView {
                line: refusal.line,
                column: refusal.column,
                text: line_of(refusal.line),
                instruction: refusal.instruction,
                reason: refusal.reason,
                instead: refusal.instead,
            });
            (kernels.collect(), refusals.collect())
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let reason = error.to_string();
            // Its place has fields of its own.
            let reason = reason.split_once(": ").map_or(reason.as_str(), |(_, reason)| reason).to_owned();
            let (instruction, instead, text) = (String::new(), None, line_of(line));
            (vec![], vec![RefusalView { line, column, instruction, reason, instead, text }])
        }
    };
    Report { file: file.to_owned(), accepted: refusals.is_empty(), kernels, refusals }
}

fn plain(report: &Report) -> String {
    let mut text = String::new();
    let file = report.file.display();
    if report.accepted {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{file}: accepted");
        for kernel in &report.kernels {
            let sizes: Vec<String> = kernel.parameters.iter().map(|size| format!("{size}")).collect();
            let sizes = if sizes.is_empty() {
                "no parameters".into()
            } else {
                format!("parameters of {} bytes", sizes.join(", "))
            };
            let _ = writeln!(text, "  kernel {}: {sizes}", kernel.name);
        }
        return text;
    }
    for refusal in &report.refusals {
        let RefusalView { line, column, instruction, reason, instead, text: source } = refusal;
        let column = if *column == 0 { String::new() } else { format!(", column {column}") };
        let subject = if instruction.is_empty() { String::new() } else { format!("`{instruction}`: ") };
        let _ = writeln!(text, "{file}: line {line}{column} of the PTX: {subject}{reason}");
        if !source.is_empty() {
            let _ = writeln!(text, "    {source}");
        }
        if let Some(instead) = instead {
            let _ = writeln!(text, "    instead: {instead}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = ".version 7.0\n.target sm_80\n.address_size 64\n";

    #[test]
    fn a_module_in_the_profile_is_accepted_with_its_kernels() {
        let text = format!("{HEAD}.visible .entry k(.param .u64 a, .param .u32 b)\n{{\n ret;\n}}\n");
        let report = check(Path::new("m.ptx"), &text);
        assert!(report.accepted, "{}", plain(&report));
        assert!(plain(&report).contains("kernel k: parameters of 8, 4 bytes"));
    }

    #[test]
    fn every_refusal_has_its_line_and_reason() {
        let body = " .reg .f32 %f<3>;\n sin.approx.f32 %f1, %f2;\n add.f32 %f1, %f1, %f2;\n ret;\n";
        let report = check(Path::new("m.ptx"), &format!("{HEAD}.visible .entry k()\n{{\n{body}}}\n"));
        assert!(!report.accepted);
        let lines: Vec<u32> = report.refusals.iter().map(|refusal| refusal.line).collect();
        assert_eq!(lines, [7, 8]);
        assert_eq!(report.refusals[0].text, "sin.approx.f32 %f1, %f2;");
        assert!(report.refusals.iter().all(|refusal| !refusal.reason.is_empty()));
        assert_eq!(report.refusals[1].column, 2);
        let text = plain(&report);
        assert!(text.contains("m.ptx: line 8, column 2 of the PTX: `add.f32`: "), "{text}");
        let instead = report.refusals[1].instead.as_deref().unwrap_or_default();
        assert!(!instead.is_empty() && text.contains(&format!("    instead: {instead}\n")), "{text}");
    }

    #[test]
    fn what_is_no_ptx_is_refused_as_well() {
        let report = check(Path::new("m.ptx"), &format!("{HEAD}nonsense\n"));
        assert!(!report.accepted && report.refusals.len() == 1);
        let refusal = &report.refusals[0];
        assert_eq!((refusal.line, refusal.column, refusal.text.as_str()), (4, 1, "nonsense"));
        assert!(refusal.reason.starts_with("expected"), "{}", refusal.reason);
        assert!(plain(&report).contains("expected"), "{}", plain(&report));
    }
}
