//! Runs a whole training on this machine's processor: `train PLAN.toml [OUT]`. With OUT it saves every round there, and goes on from
//! what is saved.

use std::{error::Error, path::Path, time::Duration};

use bytes::Bytes;
use tessera_executor::{Backend, Executor, Program, open, outputs};
use tessera_train::{MODULE, Plan, PreparedJob, Training};

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (plan, out) = match given.as_slice() {
        [plan] => (plan, None),
        [plan, out] => (plan, Some(Path::new(out))),
        _ => return Err("expected a plan, and a folder to save the training in".into()),
    };
    let plan = Plan::load(Path::new(plan))?;
    let saved = out.filter(|out| out.join("training.json").exists());
    let mut training = match saved {
        Some(out) => Training::resume(plan, out)?,
        None => Training::start(plan)?,
    };
    let executor = open(Backend::Cpu)?;
    println!("{} parameters, {} rounds", training.parameters(), training.rounds());
    while training.round() < training.rounds() {
        let steps = training.steps()?;
        let updates: Vec<Option<Bytes>> = computed(&*executor, &steps)?.into_iter().map(Some).collect();
        let change = computed(&*executor, &training.aggregation(&updates)?)?;
        let mut progress = training.advance(&change[0], updates.len())?;
        if let Some(trial) = training.evaluation()? {
            progress.trial = Some(training.evaluated(&computed(&*executor, &trial)?)?);
        }
        println!("{}", serde_json::to_string(&progress)?);
        if let Some(out) = out {
            training.save(out)?;
        }
    }
    Ok(())
}

fn computed(executor: &dyn Executor, job: &PreparedJob) -> Result<Vec<Bytes>, Box<dyn Error>> {
    let inputs = job.inputs();
    let unit_time = Duration::from_secs(3600);
    let program = Program { module: MODULE, plan: &job.spec.plan, inputs: &inputs, unit_gas: 0, unit_time };
    Ok(outputs(executor, 0, &program, 0..job.spec.units)?.into_iter().map(Bytes::from).collect())
}
