//! Which private jobs are taken: jobs whose inputs are files of this machine's owner, which nobody else has.

use std::{
    collections::HashSet,
    path::{Component, Path, PathBuf},
};

use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use solana_pubkey::Pubkey;
use tessera_protocol::{cid::Cid, spec::JobSpec};

use super::TrainingSettings;

/// Which private jobs are taken. By default none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivateSettings {
    /// Where the files are. They are found by their content, whatever their names.
    pub folder: Option<PathBuf>,
    /// Whose jobs may read them, and how.
    pub allow: Vec<Allowance>,
    /// Trainings in which a shard among them takes part: these allow the jobs of their rounds by themselves.
    pub training: Vec<TrainingSettings>,
}

/// Jobs of a client that may read private files. All of it must fit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// The wallet that posts them.
    #[serde(deserialize_with = "parsed")]
    pub client: Pubkey,
    /// Their module.
    #[serde(deserialize_with = "parsed")]
    pub module: Cid,
    /// Their launch plan, by its content id. Without it the client may have the module's kernels do what it likes with the files;
    /// a plan may as well name a file its output.
    #[serde(default, deserialize_with = "parsed_if_any")]
    pub plan: Option<Cid>,
    /// Most units of a job.
    #[serde(default = "one")]
    pub max_units: u64,
    /// Which inputs are private files: these are taken from the folder alone, all others from the store alone. Where none is named,
    /// any input may be one.
    #[serde(default)]
    pub inputs: Vec<PrivateInput>,
    /// Whether a training allows it: no other job may have its shard and masks.
    #[serde(skip)]
    pub of_training: bool,
}

/// An input that is a private file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateInput {
    /// Its number in the job specification, as the plan has it; the first one is 0.
    pub number: u16,
    /// The folder within the private one in which it must lie: a client cannot have one file in the place of another then.
    #[serde(default)]
    pub folder: PathBuf,
    /// Whether a file serves one job alone, as a mask does that may hide one vector and no second one.
    #[serde(default)]
    pub once: bool,
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// From this folder within the private one.
    Own(&'a PrivateInput),
    /// From the store.
    Store,
    /// From the private folder if it is there, else from the store.
    Either,
}

impl PrivateSettings {
    /// Checks that the settings make sense.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.folder.is_some() || self.allow.is_empty(), "private.allow needs private.folder");
        ensure!(self.folder.is_some() || self.training.is_empty(), "private.training needs private.folder");
        let mut ids = HashSet::new();
        for training in &self.training {
            training.check()?;
            let (name, client) = (&training.name, training.client);
            ensure!(ids.insert(training.id()), "private.training {name} of {client} is there twice");
        }
        for allowance in &self.allow {
            let Allowance { client, max_units, inputs, .. } = allowance;
            ensure!(*max_units > 0, "private.allow for {client}: max_units is 0, expected at least 1");
            let mut numbers = HashSet::new();
            for PrivateInput { number, folder, once } in inputs {
                ensure!(numbers.insert(number), "private.allow for {client}: input {number} is there twice");
                if !folder.components().all(|part| matches!(part, Component::Normal(_))) {
                    bail!("private.allow for {client}: folder {folder:?}, expected one within private.folder");
                }
                // Units of a job differ in their number alone: two of them would share what may be used once.
                ensure!(
                    !once || *max_units == 1,
                    "private.allow for {client}: input {number} serves one job, max_units is {max_units}, expected 1"
                );
            }
        }
        Ok(())
    }

    /// Whether any job of a client's may be taken: asked before anything of it is fetched.
    ///
    /// # Errors
    /// With the reason why it is left to others.
    pub fn knows(&self, client: &Pubkey) -> Result<(), String> {
        if self.training.iter().any(|training| training.client == *client) {
            return Ok(());
        }
        if self.allow.is_empty() {
            return Err("it is private, and private.allow of the configuration is empty".into());
        }
        if !self.allow.iter().any(|allowance| allowance.client == *client) {
            return Err(format!("it is private, and private.allow has no entry for its client {client}"));
        }
        Ok(())
    }

    /// What allows a private job of `client`.
    ///
    /// # Errors
    /// With the reason why it is left to others.
    pub fn allowance(&self, client: &Pubkey, spec: &JobSpec) -> Result<&Allowance, String> {
        self.knows(client)?;
        let of_module = |allowance: &&Allowance| allowance.client == *client && allowance.module == spec.module;
        if !self.allow.iter().any(|allowance| of_module(&allowance)) {
            let module = spec.module;
            return Err(format!("it is private, and private.allow has no entry for {client} with its module {module}"));
        }
        let plan = spec.plan.cid();
        let mut entries = self.allow.iter().filter(of_module);
        let entry = entries.find(|allowance| allowance.plan.is_none_or(|allowed| allowed == plan));
        let entry = entry.ok_or_else(|| {
            format!("it is private, and private.allow has no entry for {client} and its module with its plan {plan}")
        })?;
        if spec.units > entry.max_units {
            let most = entry.max_units;
            return Err(format!("it is private and has {} units, max_units in private.allow is {most}", spec.units));
        }
        let there = spec.inputs.len();
        match entry.inputs.iter().find(|input| usize::from(input.number) >= there) {
            Some(missing) => {
                Err(format!("it is private and has {there} inputs, private.allow names number {}", missing.number))
            }
            None => Ok(entry),
        }
    }

    /// What is allowed, a line for each entry.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.allow.iter().map(Allowance::describe).chain(self.training.iter().map(TrainingSettings::describe)).collect()
    }
}

impl Allowance {
    /// Where input `number` comes from.
    #[must_use]
    pub fn origin(&self, number: usize) -> Origin<'_> {
        if self.inputs.is_empty() {
            return Origin::Either;
        }
        let own = self.inputs.iter().find(|input| usize::from(input.number) == number);
        own.map_or(Origin::Store, Origin::Own)
    }

    fn describe(&self) -> String {
        let Self { client, module, plan, max_units, inputs, .. } = self;
        let plan = plan.map_or_else(|| "any plan".to_owned(), |plan| format!("plan {plan}"));
        let input = |input: &PrivateInput| {
            let once = if input.once { ", each file for one job" } else { "" };
            let folder = if input.folder == Path::new("") { Path::new(".") } else { &input.folder };
            format!("input {} from {}{once}", input.number, folder.display())
        };
        let inputs = match &inputs[..] {
            [] => "any inputs".to_owned(),
            inputs => inputs.iter().map(input).collect::<Vec<_>>().join(", "),
        };
        format!("jobs of {client} with module {module}, {plan}, at most {max_units} units, {inputs}")
    }
}

const fn one() -> u64 {
    1
}

fn parsed<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr,
{
    let text = String::deserialize(from)?;
    let expected = || serde::de::Error::custom(format!("expected a wallet in base 58 or a content id, found {text:?}"));
    text.parse().map_err(|_| expected())
}

fn parsed_if_any<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Cid>, D::Error> {
    parsed(from).map(Some)
}

#[cfg(test)]
mod tests {
    use tessera_protocol::spec::{Buffer, BufferInit, FrontEnd, Input, LaunchPlan, SPEC_VERSION, Visibility};

    use super::*;

    const CLIENT: Pubkey = Pubkey::new_from_array([3; 32]);

    fn spec() -> JobSpec {
        let input = |name: &str| Input { name: name.into(), cid: Cid::of(name.as_bytes()), len: 4 };
        JobSpec {
            version: SPEC_VERSION,
            module: Cid::of(b"module"),
            inputs: vec![input("weights"), input("data"), input("mask")],
            plan: LaunchPlan {
                buffers: vec![Buffer { len: 4, init: BufferInit::Input(0) }],
                launches: vec![],
                repeats: vec![],
                output: 0,
            },
            units: 1,
            unit_gas: 0,
            visibility: Visibility::Public,
            front_end: FrontEnd::default(),
        }
    }

    fn settings(entry: &str) -> Result<PrivateSettings> {
        let module = Cid::of(b"module");
        let text = format!("folder = \"own\"\n[[allow]]\nclient = \"{CLIENT}\"\nmodule = \"{module}\"\n{entry}");
        let settings: PrivateSettings = toml::from_str(&text)?;
        settings.check()?;
        Ok(settings)
    }

    fn refused(settings: &PrivateSettings, spec: &JobSpec) -> String {
        settings.allowance(&CLIENT, spec).unwrap_err()
    }

    #[test]
    fn nobody_is_allowed_unless_the_owner_says_so() {
        let none = PrivateSettings::default();
        assert!(none.knows(&CLIENT).unwrap_err().contains("private.allow of the configuration is empty"));
        let settings = settings("").unwrap();
        settings.knows(&CLIENT).unwrap();
        let other = Pubkey::new_from_array([4; 32]);
        assert!(settings.knows(&other).unwrap_err().contains(&other.to_string()));
        assert!(settings.allowance(&other, &spec()).is_err());
        let entry = settings.allowance(&CLIENT, &spec()).unwrap();
        assert_eq!((entry.max_units, entry.origin(0), entry.origin(9)), (1, Origin::Either, Origin::Either));
    }

    #[test]
    fn client_module_plan_and_units_must_all_fit() {
        let plan = spec().plan.cid();
        let settings = settings(&format!("plan = \"{plan}\"\nmax_units = 2")).unwrap();
        settings.allowance(&CLIENT, &JobSpec { units: 2, ..spec() }).unwrap();
        assert!(refused(&settings, &JobSpec { units: 3, ..spec() }).contains("3 units, max_units"));
        let module = Cid::of(b"other");
        assert!(refused(&settings, &JobSpec { module, ..spec() }).contains(&module.to_string()));
        let mut other = spec();
        other.plan.buffers[0].init = BufferInit::Copy(1);
        assert!(refused(&settings, &other).contains(&other.plan.cid().to_string()), "the log names the plan");
    }

    #[test]
    fn named_inputs_come_from_their_folders_and_others_never() {
        let inputs = "inputs = [{ number = 1, folder = \"data\" }, { number = 2, folder = \"masks\", once = true }]";
        let settings = settings(inputs).unwrap();
        let entry = settings.allowance(&CLIENT, &spec()).unwrap();
        let [weights, data, mask] = [0, 1, 2].map(|number| entry.origin(number));
        assert_eq!(weights, Origin::Store);
        assert!(matches!(data, Origin::Own(PrivateInput { once: false, .. })));
        assert!(matches!(mask, Origin::Own(PrivateInput { once: true, folder, .. }) if folder == Path::new("masks")));
        let mut small = spec();
        small.inputs.pop();
        assert!(refused(&settings, &small).contains("has 2 inputs, private.allow names number 2"));
        let said = settings.describe();
        assert!(said.len() == 1 && said[0].contains("input 2 from masks, each file for one job"), "{said:?}");
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |entry: &str| format!("{:#}", settings(entry).unwrap_err());
        assert!(wrong("max_units = 0").contains("max_units is 0"));
        assert!(wrong("plan = \"x\"").contains("content id"));
        assert!(wrong("inputs = [{ number = 1 }, { number = 1 }]").contains("twice"));
        for folder in ["../else", "/etc", "a/../b"] {
            let entry = format!("inputs = [{{ number = 1, folder = \"{folder}\" }}]");
            assert!(wrong(&entry).contains("within private.folder"), "{folder}");
        }
        assert!(wrong("max_units = 2\ninputs = [{ number = 1, once = true }]").contains("serves one job"));
        assert!(wrong("limit = 1").contains("limit"));
        let unplaced = PrivateSettings { folder: None, ..settings("").unwrap() };
        assert!(unplaced.check().unwrap_err().to_string().contains("needs private.folder"));
    }
}
