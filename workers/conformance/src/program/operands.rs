//! Writes a form with random operands.

use fastrand::Rng;

use super::generate::{Context, Generator};
use super::registers::{distinct, number, register, source};
use super::text::{CELL, INPUT, LOCAL, PARAM, VARIABLE};
use crate::pattern::{Form, Operand, Place, tally};
use crate::templates::Where;
use crate::values::Type;

const fn plain(name: &'static str, bits: u32, literal: bool) -> Type {
    Type { name, bits, float: false, literal }
}

pub(super) const U32: Type = plain("u32", 32, true);
const B16: Type = plain("b16", 16, true);
pub(super) const B64: Type = plain("b64", 64, true);
const PRED: Type = plain("pred", 1, false);

impl Generator {
    /// One form with random operands.
    pub fn form(&mut self, form: &Form, context: &Context) -> Vec<String> {
        let mut lines = Vec::new();
        if form.place == Where::WholeWarps {
            lines.push("bar.warp.sync 0xffffffff;".into());
        }
        let guarded = form.place == Where::Anywhere && self.chance(5);
        let not = self.pick(&["", "!"]);
        let guard = if guarded { format!("@{not}%p{} ", self.rng.u32(..4)) } else { String::new() };
        // Instructions that belong together stand together: what they need comes first.
        let mut texts = Vec::new();
        for ins in &form.instructions {
            let mut taken = Vec::new();
            let operands: Vec<String> = ins
                .operands
                .iter()
                .map(|operand| self.operand(operand, &ins.opcode, form.place, context, &mut lines, &mut taken))
                .collect();
            texts.push(format!("{guard}{} {};", ins.opcode, operands.join(", ")));
        }
        lines.extend(texts);
        lines
    }

    fn operand(
        &mut self,
        operand: &Operand,
        opcode: &str,
        place: Where,
        context: &Context,
        lines: &mut Vec<String>,
        taken: &mut Vec<String>,
    ) -> String {
        let vector = |parts: Vec<String>| format!("{{{}}}", parts.join(", "));
        match operand {
            Operand::Read(ty, None) if place == Where::Anywhere => source(&mut self.rng, *ty),
            Operand::Read(ty, None) => register(&mut self.rng, *ty),
            Operand::Read(ty, Some(count)) => {
                let ty = if ty.bits == 8 { B16 } else { *ty };
                vector((0..*count).map(|_| register(&mut self.rng, ty)).collect())
            }
            Operand::ReadNegated => format!("!{}", register(&mut self.rng, PRED)),
            Operand::ReadNonZero(ty) => {
                let scratch = match ty.bits {
                    16 => "%x0",
                    32 => "%y0",
                    _ => "%z0",
                };
                lines.push(format!("or.b{} {scratch}, {}, 1;", ty.bits, source(&mut self.rng, *ty)));
                scratch.into()
            }
            Operand::Write(ty, None) => distinct(&mut self.rng, *ty, 1, taken).concat(),
            Operand::Write(ty, Some(count)) => vector(distinct(&mut self.rng, *ty, *count, taken)),
            Operand::WritePair(ty) => {
                let first = distinct(&mut self.rng, *ty, 1, taken).concat();
                format!("{first}|{}", distinct(&mut self.rng, PRED, 1, taken).concat())
            }
            Operand::Number(most) => self.rng.u64(..=*most).to_string(),
            Operand::Text(text) => text.clone(),
            Operand::Address(place, len) => self.address(*place, *len, opcode, lines),
            Operand::Members => context.members.clone().unwrap_or_default(),
            Operand::Source => self.shuffle_source(opcode, context, lines),
            Operand::Barrier => self.rng.u32(..16).to_string(),
            Operand::Threads => self.threads.next_multiple_of(32).to_string(),
        }
    }

    /// Lane and clamp of a shuffle that reads only lanes that are here.
    fn shuffle_source(&mut self, opcode: &str, context: &Context, lines: &mut Vec<String>) -> String {
        let any = |rng: &mut Rng| if rng.bool() { register(rng, U32) } else { number(rng, U32) };
        let (lane, clamp) = (any(&mut self.rng), any(&mut self.rng));
        if context.whole && self.threads.is_multiple_of(32) {
            return format!("{lane}, {clamp}");
        }
        if !opcode.contains(".idx") {
            return format!("0, {clamp}");
        }
        if self.rng.bool() {
            return format!("%lane, {clamp}");
        }
        // The first lane that is here.
        lines.push(format!("brev.b32 %y1, {};", context.members.as_deref().unwrap_or("1")));
        lines.push("clz.b32 %y1, %y1;".into());
        "%y1, 31".into()
    }

    /// An address in a place, with the lines that compute it.
    fn address(&mut self, place: Place, len: u32, opcode: &str, lines: &mut Vec<String>) -> String {
        let at = |rng: &mut Rng, of: u32| rng.u32(..of / len) * len;
        match place {
            Place::Const => format!("[table+{}]", at(&mut self.rng, VARIABLE)),
            Place::Variable => format!("[words+{}]", at(&mut self.rng, VARIABLE)),
            Place::Param => format!("[given+{}]", at(&mut self.rng, PARAM)),
            Place::Tally { shared: false } => format!("[%count+{}]", 8 * tally(opcode)),
            Place::Tally { shared: true } => format!("[tally+{}]", 8 * tally(opcode)),
            Place::Input if self.rng.bool() => {
                lines.push(format!("and.b64 %z4, {}, 0xff0;", register(&mut self.rng, B64)));
                lines.push("add.u64 %z4, %in, %z4;".into());
                format!("[%z4+{}]", at(&mut self.rng, INPUT / 2))
            }
            Place::Input => format!("[%in+{}]", at(&mut self.rng, INPUT)),
            Place::Own if self.chance(4) => {
                lines.push("cvta.global.u64 %z1, %own;".into());
                lines.push("cvta.to.global.u64 %z1, %z1;".into());
                format!("[%z1+{}]", at(&mut self.rng, CELL))
            }
            Place::Own => format!("[%own+{}]", at(&mut self.rng, CELL)),
            Place::Shared => match self.rng.u8(..8) {
                0 => {
                    lines.push("cvt.u32.u64 %y1, %cell;".into());
                    format!("[%y1+{}]", at(&mut self.rng, CELL))
                }
                1 => {
                    let via = self.pick(&["shared", "shared::cta"]);
                    lines.push(format!("cvta.{via}.u64 %z1, %cell;"));
                    lines.push("cvta.to.shared.u64 %z1, %z1;".into());
                    format!("[%z1+{}]", at(&mut self.rng, CELL))
                }
                2 => {
                    lines.push("mov.u64 %z1, extra;".into());
                    lines.push("mul.wide.u32 %z2, %me, 32;".into());
                    lines.push("add.u64 %z1, %z1, %z2;".into());
                    (0..CELL / 8).for_each(|i| lines.push(format!("st.shared.b64 [%z1+{}], %d{i};", 8 * i)));
                    format!("[%z1+{}]", at(&mut self.rng, CELL))
                }
                _ => format!("[%cell+{}]", at(&mut self.rng, CELL)),
            },
            Place::Local if self.rng.bool() => {
                lines.push(format!("and.b64 %z2, {}, 0x30;", register(&mut self.rng, B64)));
                lines.push("mov.u64 %z1, slots;".into());
                lines.push("add.u64 %z1, %z1, %z2;".into());
                format!("[%z1+{}]", at(&mut self.rng, 16))
            }
            Place::Local => format!("[slots+{}]", at(&mut self.rng, LOCAL)),
            Place::Generic => {
                let loads = opcode.starts_with("ld");
                let (line, size) = match self.rng.u8(..if loads { 5 } else { 3 }) {
                    0 => ("cvta.shared.u64 %z1, %cell;", CELL),
                    1 => ("cvta.global.u64 %z1, %own;", CELL),
                    2 => ("mov.u64 %z2, slots;\ncvta.local.u64 %z1, %z2;", LOCAL),
                    3 => ("mov.u64 %z2, table;\ncvta.const.u64 %z1, %z2;", VARIABLE),
                    _ => ("mov.u64 %z2, given;\ncvta.param.u64 %z1, %z2;", PARAM),
                };
                lines.push(line.into());
                format!("[%z1+{}]", at(&mut self.rng, size))
            }
        }
    }
}
