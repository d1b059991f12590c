//! A settings file as a tree, whichever syntax it was written in.

/// A value and its place.
#[derive(Debug)]
pub(super) struct SettingNode {
    /// Offset of its first byte in the file.
    pub at: usize,
    pub value: NodeValue,
}

#[derive(Debug)]
pub(super) enum NodeValue {
    Text(String),
    /// A number as decimal text.
    Number(String),
    Boolean(bool),
    List(Vec<SettingNode>),
    /// A table, such as that of a host.
    Table(Keys),
    /// A kind of value that no setting takes, by its name.
    Other(&'static str),
}

/// The key of a value in a table.
#[derive(Debug)]
pub(super) struct SettingKey {
    /// Offset of its first byte in the file.
    pub at: usize,
    pub name: String,
}

/// Keys with their values.
pub(super) type Keys = Vec<(SettingKey, SettingNode)>;

/// A text that breaks the rules of its syntax.
#[derive(Debug)]
pub(super) struct SyntaxFault {
    /// Offset of the first wrong byte.
    pub at: usize,
    /// A sentence on the fault, by the parser.
    pub problem: String,
}
