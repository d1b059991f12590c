//! Questions about connections, and their answers.

use super::listing::ConnectionList;

/// A look at connections that an operator wants.
#[derive(Debug)]
pub enum Look {
    /// At all of them: the list.
    List(Box<ConnectionList>),
    /// At the one of this number, whole.
    One(u32),
}

/// The answer of the event loop.
#[derive(Debug)]
pub enum LookReply {
    /// JSON.
    Json(String),
    /// There is no such connection.
    Gone,
    /// Not all was gone through: the loop is to be asked again in its next turn.
    Unfinished,
}

impl Look {
    /// The look that a request asks for: `connections`, with a query as [`ConnectionList::parse`] takes it, or
    /// `connections/17`. `None` if the path is another; the error says what is wrong with the query.
    pub fn parse(path: &str, query: &str) -> Option<Result<Look, String>> {
        let rest = path.strip_prefix("connections")?;
        if rest.is_empty() {
            return Some(ConnectionList::parse(query).map(|listing| Look::List(Box::new(listing))));
        }
        let id = rest.strip_prefix('/')?.parse().ok()?;
        Some(Ok(Look::One(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_list_and_of_one_connection_are_told_from_others() {
        let parse = |path| Look::parse(path, "top=1");
        assert!(matches!(parse("connections"), Some(Ok(Look::List(_)))));
        assert!(matches!(parse("connections/17"), Some(Ok(Look::One(17)))));
        for path in [
            "connection",
            "connections/",
            "connections/x",
            "connections17",
        ] {
            assert!(parse(path).is_none(), "{path}");
        }
        let wrong = Look::parse("connections", "sort=x").unwrap();
        assert!(wrong.unwrap_err().contains("column"));
    }
}
