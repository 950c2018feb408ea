use super::*;

fn text() -> String {
    let rpc = ["http://127.0.0.1:8899".to_owned(), "http://b".to_owned()];
    let key = |n| Pubkey::new_from_array([n; 32]);
    template(&rpc, &key(1), &key(2), Path::new("keys/operator.json"), Path::new("/var/data"))
}

#[test]
fn the_template_is_a_configuration_with_the_defaults() {
    let config = Config::parse(&text()).unwrap();
    assert_eq!(config.cluster.rpc.len(), 2);
    assert_eq!(config.provider.authority, Pubkey::new_from_array([2; 32]));
    let shown = text();
    for (name, value) in [
        ("max_leases", config.work.max_leases as u64),
        ("max_lock_multiple", config.work.max_lock_multiple.into()),
        ("max_lead", config.work.max_lead.into()),
        ("max_challenge_seconds", config.work.max_challenge_seconds.into()),
        ("max_output_mib", config.work.max_output_mib),
        ("unit_seconds", config.work.unit_seconds),
        ("cache_mib", config.data.cache_mib),
        ("cubins_mib", config.data.cubins_mib),
        ("memory_mib", config.executor.memory_mib),
        ("proof_mib", config.executor.proof_mib.into()),
    ] {
        assert!(shown.contains(&format!("\n# {name} = {value}\n")), "{name} = {value} is not in\n{shown}");
    }
}

#[test]
fn settings_shown_as_comments_can_be_turned_on() {
    let on: String = text()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) => {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(on.contains("\nprefetch = 1\n"));
    let cluster = Config::parse(&on).unwrap().cluster;
    assert_eq!(cluster.websocket, ["ws://127.0.0.1:8900"]);
    assert_eq!(Config::parse(&on).unwrap().monitor.listen.map(|at| at.port()), Some(9464));
    let off = Config::parse(&text()).unwrap().cluster;
    assert_eq!((cluster.priority_fee, off.priority_fee), (None, None));
    assert_eq!((cluster.priority_fee_cap, cluster.max_lag_slots), (off.priority_fee_cap, off.max_lag_slots));
    assert_eq!(Config::parse(&on).unwrap().cluster().priority_fee, PriorityFee::AUTO);
}

#[test]
fn endpoints_and_fees_are_set_in_several_ways() {
    let with = |line: &str| Config::parse(&text().replace("[provider]", &format!("{line}\n[provider]")));
    let cluster = |line: &str| with(line).unwrap().cluster();
    assert_eq!(cluster("websocket = \"ws://a\"").ws_urls, ["ws://a"]);
    assert_eq!(cluster("websocket = [\"ws://a\", \"ws://b\"]").ws_urls, ["ws://a", "ws://b"]);
    assert_eq!(cluster("priority_fee = 0").priority_fee, PriorityFee::None);
    assert_eq!(cluster("priority_fee = 7").priority_fee, PriorityFee::Fixed(7));
    assert_eq!(cluster("priority_fee_cap = 9").priority_fee, PriorityFee::auto(Some(9)));
    assert_eq!(cluster("max_lag_slots = 3").max_lag, 3);
    assert!(format!("{:#}", with("priority_fee = \"much\"").unwrap_err()).contains("auto"));
}

#[test]
fn relative_names_are_relative_to_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("worker.toml");
    std::fs::write(&path, text()).unwrap();
    let config = Config::read(&path).unwrap();
    assert_eq!(config.provider.operator_keypair, dir.path().join("keys/operator.json"));
    assert_eq!((config.data.directory.as_path(), config.private.folder), (Path::new("/var/data"), None));
    for (folder, lies_apart) in [("own", true), ("/var/data/own", false), ("/var", false), ("/var/data2", true)] {
        let private = format!("[private]\nfolder = \"{folder}\"");
        std::fs::write(&path, text().replace("[private]", &private)).unwrap();
        let read = Config::read(&path);
        assert_eq!(read.is_ok(), lies_apart, "{folder}");
        assert!(read.map_or(true, |config| config.private.folder == Some(dir.path().join(folder))));
    }
}

#[test]
fn mistakes_are_named() {
    let refused = |from: &str, to: &str| format!("{:#}", Config::parse(&text().replace(from, to)).unwrap_err());
    assert!(refused("[work]", "[work]\nmax_lease = 3").contains("max_lease"));
    assert!(refused("[work]", "[work]\nmax_leases = 0").contains("work.max_leases is 0"));
    assert!(refused("[executor]", "[executor]\nregion = 64").contains("executor.region is 64"));
    assert!(refused("[executor]", "[executor]\nproof_mib = 0").contains("executor.proof_mib is 0, expected 1 to"));
    assert!(refused("[executor]", "[executor]\nbackend = \"rocm\"").contains("rocm"));
    assert!(refused("[work]", "[work]\nhours = [\"noon\"]").contains("mon-fri"));
    assert!(refused("[work]", "[work]\nregions = [64]").contains("work.regions"));
    assert!(refused("market = \"", "market = \"0").contains("base 58"));
    assert!(refused("[private]", "[private]\nallow = [{ client = \"1\" }]").contains("base 58"));
    assert!(refused("[provider]", "poll_seconds = 0.0\n[provider]").contains("poll_seconds"));
    let e = Config::read(Path::new("/nowhere/worker.toml")).unwrap_err();
    assert!(format!("{e:#}").contains("tessera-worker setup"));
}
