//! Users and groups as /etc/passwd and /etc/group name them. Read directly: the agent is static, and the C library's
//! own look-up would load modules that are not there.

use std::cell::OnceCell;
use std::fs::File;
use std::io::Read;

/// Larger files are not read.
const MAX_FILE: u64 = 4 * 1024 * 1024;
const ORDINARY_FILE: usize = 8 * 1024;

/// A line of /etc/passwd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub shell: String,
}

/// The guest's users and groups as they are when they are first asked for.
#[derive(Default, Debug)]
pub struct Users {
    passwd: OnceCell<String>,
    group: OnceCell<String>,
}

impl Users {
    /// The user of this name.
    #[must_use]
    pub fn user_named(&self, name: &str) -> Option<User> {
        self.users().find(|user| user.name == name)
    }

    /// The first user of this number.
    #[must_use]
    pub fn user_numbered(&self, uid: u32) -> Option<User> {
        self.users().find(|user| user.uid == uid)
    }

    /// The number of the group of this name.
    #[must_use]
    pub fn group_named(&self, name: &str) -> Option<u32> {
        self.groups().find(|(group, _, _)| *group == name).map(|(_, gid, _)| gid)
    }

    /// The numbers of the groups that list this user as a member; at most 64.
    #[must_use]
    pub fn groups_of(&self, name: &str) -> Vec<u32> {
        let member = |members: &str| members.split(',').any(|member| member == name);
        self.groups().filter(|(_, _, members)| member(members)).map(|(_, gid, _)| gid).take(64).collect()
    }

    fn users(&self) -> impl Iterator<Item = User> {
        self.passwd.get_or_init(|| read("/etc/passwd")).lines().filter_map(parse_user)
    }

    fn groups(&self) -> impl Iterator<Item = (&str, u32, &str)> {
        self.group.get_or_init(|| read("/etc/group")).lines().filter_map(parse_group)
    }
}

/// A file's text; one that is missing is empty.
fn read(path: &str) -> String {
    // Room for an ordinary one, which is then read in one piece.
    let mut bytes = Vec::with_capacity(ORDINARY_FILE);
    // What could be read before an error counts.
    let _ = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `name:password:uid:gid:comment:home:shell`; a line of another form is passed over, as the C library does.
fn parse_user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
        return None;
    };
    Some(User {
        name: (!name.is_empty() && !name.starts_with('#')).then(|| (*name).to_owned())?,
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: (*home).to_owned(),
        shell: (*shell).to_owned(),
    })
}

/// `name:password:gid:member,member`.
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, _, gid, members) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let well_formed = fields.next().is_none() && !name.is_empty() && !name.starts_with('#');
    well_formed.then_some((name, gid.parse().ok()?, members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        Users {
            passwd: OnceCell::from("root:x:0:0:root:/root:/bin/sh\n#no:x:1:1::/:\nshort:x:2\nann:x:1000:1001:Ann:/home/ann:/bin/ash\nbad:x:-1:0::/:\n".to_owned()),
            group: OnceCell::from("root:x:0:\naudio:x:29:ann,bob\nvideo:x:44:bobann\nwheel:x:10:ann\nbroken:x\n".to_owned()),
        }
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let ann = users().user_named("ann").unwrap();
        assert_eq!(
            (ann.uid, ann.gid, ann.home.as_str(), ann.shell.as_str()),
            (1000, 1001, "/home/ann", "/bin/ash")
        );
        assert_eq!(users().user_numbered(1000), Some(ann));
    }

    #[test]
    fn lines_of_another_form_are_passed_over() {
        for name in ["#no", "short", "bad", "", "nobody"] {
            assert_eq!(users().user_named(name), None, "{name}");
        }
        assert_eq!(users().group_named("broken"), None);
    }

    #[test]
    fn only_groups_that_list_the_very_name_count() {
        assert_eq!(users().groups_of("ann"), [29, 10]);
        assert_eq!(users().group_named("video"), Some(44));
    }
}
