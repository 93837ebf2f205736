//! What somebody may do with a repository: the one question, asked wherever the registry decides.

use super::scope::Action;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user who may log in.
    User,
    /// Anybody.
    Anonymous,
}

/// Whether somebody may do this with what a distribution offers: every user everything, anybody else may pull what is not
/// private. (A content guard is asked beside this.)
pub fn may(who: Who, action: Action, private: bool) -> bool {
    match (who, action) {
        (Who::User, _) => true,
        (Who::Anonymous, Action::Pull) => !private,
        (Who::Anonymous, Action::Push | Action::Delete) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anybody_may_pull_what_is_not_private_and_only_users_may_do_more() {
        for (action, private, anonymous) in [
            (Action::Pull, false, true),
            (Action::Pull, true, false),
            (Action::Push, false, false),
            (Action::Delete, false, false),
        ] {
            assert_eq!(may(Who::Anonymous, action, private), anonymous, "{action:?}");
            assert!(may(Who::User, action, private));
        }
    }
}
