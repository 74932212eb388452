//! What `--help` says of this business.

use crate::support::{program, run};

#[test]
fn help_tells_the_settings_of_the_business_and_what_its_demo_can_play() {
    let help = |arguments: &[&str]| run(program(arguments)).out;
    let bundle = functions::bundle();
    let about = help(&["--help"]);
    for setting in bundle.settings() {
        let told = format!("{} ({})", setting.variable, setting.default.as_secs());
        assert!(about.contains(&told), "{told} is not in {about}");
    }
    let demo = help(&["demo", "--help"]);
    let own = bundle.demo.own.map(|own| format!("--{} <FILE>", own.flag));
    let load = bundle.demo.load.map(|load| format!("--{} <N>", load.flag));
    for flag in own.into_iter().chain(load) {
        assert!(demo.contains(&flag), "{flag} is not in {demo}");
    }
}
