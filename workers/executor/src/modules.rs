//! Modules that were prepared last. A training prepares the same one in every round, and reading and compiling it takes longer than
//! many a unit.

use std::sync::{Arc, Mutex, PoisonError};

use tessera_protocol::cid::Cid;
use tessera_ptx::Module;

use crate::ExecError;

/// How many are kept.
const KEPT: usize = 4;

/// Modules that are in the profile, the last one used at the end.
#[derive(Default)]
pub(crate) struct Modules(Mutex<Vec<(Cid, Arc<Module>)>>);

impl Modules {
    /// The module of this text, which is read if it is not kept.
    pub fn get(&self, text: &str) -> Result<Arc<Module>, ExecError> {
        let cid = Cid::of(text.as_bytes());
        if let Some(module) = self.kept(cid) {
            return Ok(module);
        }
        // While it is read, others may look for theirs.
        let module = Module::parse(text)?;
        let refusals = module.check();
        if !refusals.is_empty() {
            return Err(ExecError::Refused(refusals));
        }
        let module = Arc::new(module);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((cid, Arc::clone(&module)));
        if kept.len() > KEPT {
            kept.remove(0);
        }
        Ok(module)
    }

    fn kept(&self, cid: Cid) -> Option<Arc<Module>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(of, _)| *of == cid)?;
        let found = kept.remove(place);
        let module = Arc::clone(&found.1);
        kept.push(found);
        Some(module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: usize) -> String {
        format!(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k{name}()\n{{\nret;\n}}\n")
    }

    #[test]
    fn the_last_modules_are_kept_and_no_others() {
        let modules = Modules::default();
        let first = modules.get(&text(0)).unwrap();
        for name in 1..KEPT {
            modules.get(&text(name)).unwrap();
        }
        assert!(Arc::ptr_eq(&first, &modules.get(&text(0)).unwrap()));
        // The first was used again, so that the second goes.
        modules.get(&text(KEPT)).unwrap();
        assert!(Arc::ptr_eq(&first, &modules.get(&text(0)).unwrap()));
        assert!(modules.kept(Cid::of(text(1).as_bytes())).is_none());
        assert_eq!(modules.0.lock().unwrap().len(), KEPT);
    }

    #[test]
    fn what_is_refused_is_not_kept() {
        let modules = Modules::default();
        let bad = text(0).replace("ret;", ".reg .b32 %r<2>;\nactivemask.b32 %r1;\nret;");
        for _ in 0..2 {
            assert!(matches!(modules.get(&bad), Err(ExecError::Refused(_))));
        }
        assert!(modules.0.lock().unwrap().is_empty());
    }
}
