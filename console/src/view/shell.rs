//! What surrounds every page: node, account, warnings, text size.

use crate::assets::Assets;

/// Frame of a page.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Addresses of style sheet and modules.
    pub assets: &'static Assets,
    /// The node's title.
    pub node: String,
    /// 市级平台 or 区级平台.
    pub tier: &'static str,
    /// Who is signed in.
    pub user: Option<User>,
    /// What every page says in red.
    pub warnings: Vec<String>,
    /// Which entry of the menu this page belongs to.
    pub here: Here,
    /// Path and query of this page, to come back to after a change of text size.
    pub path: String,
    /// Size of text.
    pub text: TextSize,
}

/// The signed-in account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Account name.
    pub account: String,
    /// Real name.
    pub name: String,
    /// Department; empty for an account of the whole node.
    pub department: String,
    /// Role in words.
    pub role: &'static str,
    /// How many entities are for a person to settle; empty if there is none.
    pub unsettled: String,
    /// Whether the menu offers admissions.
    pub admits: bool,
    /// Whether the menu offers accounts.
    pub manages: bool,
    /// Whether the menu offers the record of acts.
    pub audits: bool,
    /// Token of the sign-out form.
    pub sign_out_token: String,
}

/// Entries of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// Nodes and agents.
    Nodes,
    /// Entity search and dossiers.
    Entities,
    /// Entities for a person to settle.
    Unsettled,
    /// Refusals.
    Refusals,
    /// Admissions.
    Admissions,
    /// Accounts.
    Accounts,
    /// The record of acts.
    Audit,
    /// None of them.
    Elsewhere,
}

/// Size of text: ordinary, or the large-type edition at 125 % or 150 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextSize {
    /// 100 %.
    #[default]
    Ordinary,
    /// 125 %.
    Large,
    /// 150 %.
    Larger,
}

impl TextSize {
    /// All sizes.
    pub const ALL: [Self; 3] = [Self::Ordinary, Self::Large, Self::Larger];

    /// Class of the root element.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Ordinary => "",
            Self::Large => "text-125",
            Self::Larger => "text-150",
        }
    }

    /// The size in words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ordinary => "标准字号",
            Self::Large => "大字版",
            Self::Larger => "特大字版",
        }
    }

    /// The size as cookie and address write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ordinary => "100",
            Self::Large => "125",
            Self::Larger => "150",
        }
    }

    /// The size of a key; ordinary for anything else.
    pub fn from_key(key: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|size| size.key() == key)
            .unwrap_or_default()
    }
}

impl Shell {
    /// Address of this page in another size of text.
    pub fn size_address(&self, size: TextSize) -> String {
        format!(
            "/text-size/{}?back={}",
            size.key(),
            crate::text::percent(&self.path)
        )
    }

    /// The sizes, for the footer.
    pub fn sizes(&self) -> [TextSize; 3] {
        TextSize::ALL
    }

    /// `page` for the current entry of the menu, as `aria-current` wants it.
    pub fn at(&self, here: &str) -> bool {
        let word = match self.here {
            Here::Nodes => "nodes",
            Here::Entities => "entities",
            Here::Unsettled => "unsettled",
            Here::Refusals => "refusals",
            Here::Admissions => "admissions",
            Here::Accounts => "accounts",
            Here::Audit => "audit",
            Here::Elsewhere => "",
        };
        word == here
    }
}
