//! The kernel's command line (docs/boot-contract.md, "Kernel command line").

/// How the root file system is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    Label(String),
    Device(String),
}

/// What kelpie-init takes from the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandLine {
    pub root: Option<Root>,
    pub root_flags: String,
    pub read_only: bool,
    pub hostname: Option<String>,
    /// Whether the machine ends by a reset alone: without ACPI a kernel that powers off only stands still.
    pub power_off_resets: bool,
    /// `module.parameter=value` words, as (module, "parameter=value").
    module_parameters: Vec<(String, String)>,
}

impl CommandLine {
    /// Reads the words; of one that is given twice the last counts, as in the kernel.
    pub fn parse(text: &str) -> Self {
        let mut line = Self {
            root: None,
            root_flags: String::new(),
            read_only: false,
            hostname: None,
            power_off_resets: false,
            module_parameters: Vec::new(),
        };
        for word in words(text) {
            match word.split_once('=') {
                Some(("root", name)) => line.root = parse_root(name),
                Some(("rootflags", flags)) => flags.clone_into(&mut line.root_flags),
                Some(("kelpie.hostname", name)) => line.hostname = Some(name.to_owned()),
                Some(("kelpie.poweroff", way)) => line.power_off_resets = way == "reset",
                _ if word == "ro" || word == "rw" => line.read_only = word == "ro",
                _ => line.module_parameters.extend(parse_module_parameter(&word)),
            }
        }
        line
    }

    /// The parameters of one module, as `finit_module(2)` takes them.
    pub fn parameters_of(&self, module: &str) -> String {
        let wanted = module.replace('-', "_");
        let matching = self.module_parameters.iter();
        let values: Vec<&str> = matching
            .filter(|(name, _)| *name == wanted)
            .map(|(_, parameter)| parameter.as_str())
            .collect();
        values.join(" ")
    }
}

/// Splits at white space outside double quotes, and drops the quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            _ if character.is_whitespace() && !quoted => words.push(String::new()),
            _ => words
                .last_mut()
                .unwrap_or(&mut String::new())
                .push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn parse_root(name: &str) -> Option<Root> {
    if let Some(label) = name.strip_prefix("LABEL=") {
        return Some(Root::Label(label.to_owned()));
    }
    let device = name.strip_prefix("/dev/")?;
    Some(Root::Device(device.to_owned()))
}

fn parse_module_parameter(word: &str) -> Option<(String, String)> {
    let (module, parameter) = word.split_once('.')?;
    let is_name = |text: &str| !text.is_empty() && !text.contains(['=', '/', '"']);
    (is_name(module) && module != "kelpie")
        .then(|| (module.replace('-', "_"), parameter.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_named_by_label_or_device() {
        for (text, root) in [
            (
                "root=LABEL=kelpie-root",
                Some(Root::Label("kelpie-root".into())),
            ),
            ("root=/dev/vda", Some(Root::Device("vda".into()))),
            (
                "root=\"LABEL=two words\"",
                Some(Root::Label("two words".into())),
            ),
            (
                "root=/dev/vda root=/dev/vdb",
                Some(Root::Device("vdb".into())),
            ),
            ("root=nfs", None),
            ("quiet", None),
        ] {
            assert_eq!(CommandLine::parse(text).root, root, "{text}");
        }
    }

    #[test]
    fn the_last_of_ro_and_rw_counts_and_rw_is_the_default() {
        assert!(!CommandLine::parse("").read_only);
        assert!(CommandLine::parse("rw ro").read_only);
        assert!(!CommandLine::parse("ro rw").read_only);
    }

    #[test]
    fn a_module_gets_its_own_parameters_whichever_dash_it_is_spelt_with() {
        let line = CommandLine::parse(
            "virtio_mmio.device=512@0xd0000000:5 virtio-mmio.device=1K@0x0:6 virtio_blk.queue_depth=4 panic=-1 kelpie.ports=2",
        );
        assert_eq!(
            line.parameters_of("virtio_mmio"),
            "device=512@0xd0000000:5 device=1K@0x0:6"
        );
        assert_eq!(line.parameters_of("virtio-blk"), "queue_depth=4");
        assert_eq!(line.parameters_of("ext4"), "");
        assert_eq!(line.parameters_of("kelpie"), "");
    }

    #[test]
    fn flags_and_the_host_name_are_taken_as_they_stand() {
        let line = CommandLine::parse("rootflags=noatime,data=ordered kelpie.hostname=box-1\n");
        assert_eq!(line.root_flags, "noatime,data=ordered");
        assert_eq!(line.hostname.as_deref(), Some("box-1"));
        assert!(!line.power_off_resets);
        assert!(CommandLine::parse("quiet kelpie.poweroff=reset").power_off_resets);
    }
}
