//! The quickstart's bundle installed in a machine without network.

use crate::support::machine::Machine;

#[test]
fn the_machine_boots_reboots_and_records_what_it_tries_to_reach() {
    let mut machine = Machine::new("mm1", "10.20.0.10");
    machine.boot();
    assert_eq!(machine.run("hostname").ok(), "mm1");
    assert_eq!(machine.run("exit 7").status, 7);
    assert_eq!(machine.tried_outside(), Vec::<String>::new());

    machine.run("(echo > /dev/tcp/192.0.2.1/80) 2>/dev/null; bash -c 'echo > /dev/udp/10.20.0.2/53'; echo kept > /var/kept");
    let tried = machine.tried_outside();
    assert_eq!(tried.len(), 1, "{tried:?}");
    assert!(
        tried[0].contains("10.20.0.2") && tried[0].contains("53"),
        "{tried:?}"
    );

    machine.reboot();
    assert_eq!(machine.run("cat /var/kept").ok(), "kept");
    assert_eq!(machine.tried_outside(), Vec::<String>::new());
    machine.power_off();
}
