//! What packages need from each other, as every format says it.

use chantal_model::Comparison;

/// What one package says about others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    /// What it provides; its own name is among it.
    pub provides: Vec<Capability>,
    /// Files that its record names; rarely all of them.
    pub files: Vec<Box<str>>,
    /// What it asks for or excludes.
    pub relations: Vec<Relation>,
}

/// A name, perhaps with a range of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// A package, a capability or a file's path.
    pub name: Box<str>,
    /// Which versions; `None` for any.
    pub version: Option<(Comparison, Box<str>)>,
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            None => f.pad(&self.name),
            Some((comparison, version)) => write!(f, "{} {comparison} {version}", self.name),
        }
    }
}

/// What a relation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RelationKind {
    /// Without it the package cannot be installed.
    Requires,
    /// Installed with it unless the user objects.
    Recommends,
    /// Worth to be offered with it.
    Suggests,
    /// The package is installed when these are.
    Supplements,
    /// The package is worth to be offered when these are installed.
    Enhances,
    /// Cannot be installed together.
    Conflicts,
    /// The package replaces these.
    Obsoletes,
}

/// One line of what a package asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// What it means.
    pub kind: RelationKind,
    /// As its format writes it.
    pub text: Box<str>,
    /// What must be there.
    pub need: Need,
    /// The package manager itself has it; no package provides it.
    pub is_built_in: bool,
}

/// What must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A package that provides this.
    One(Capability),
    /// All of these.
    All(Vec<Need>),
    /// At least one of these.
    Any(Vec<Need>),
    /// One package that is all of these at once.
    Together(Vec<Need>),
    /// The first, from a package that is not the second.
    Without(Box<Need>, Box<Need>),
    /// Depends on whether the condition holds.
    If {
        /// The condition.
        condition: Box<Need>,
        /// What is needed if it holds.
        then: Option<Box<Need>>,
        /// What is needed if not.
        otherwise: Option<Box<Need>>,
    },
}

impl Need {
    /// Every capability in it, in the order of its text.
    pub fn atoms(&self) -> Vec<&Capability> {
        let mut atoms = Vec::new();
        self.collect(&mut atoms);
        atoms
    }

    fn collect<'n>(&'n self, atoms: &mut Vec<&'n Capability>) {
        match self {
            Self::One(capability) => atoms.push(capability),
            Self::All(needs) | Self::Any(needs) | Self::Together(needs) => {
                for need in needs {
                    need.collect(atoms);
                }
            }
            Self::Without(one, other) => {
                one.collect(atoms);
                other.collect(atoms);
            }
            Self::If {
                condition,
                then,
                otherwise,
            } => {
                for need in [Some(condition), then.as_ref(), otherwise.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    need.collect(atoms);
                }
            }
        }
    }
}
