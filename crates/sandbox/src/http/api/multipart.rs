//! Reads `multipart/form-data` (RFC 7578) that is in memory already.

use bytes::Bytes;

/// One field of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) content_type: Option<String>,
    pub(super) data: Bytes,
}

/// The boundary that a `content-type` header announces; none when it is another type.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"').to_owned())
    })
}

/// The fields of a form; none when it is not well-formed.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Option<Vec<Part>> {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter stands at the very beginning, or after a preamble.
    let opening = &delimiter.as_bytes()[2..];
    let mut at = match body.starts_with(opening) {
        true => opening.len(),
        false => find(body, delimiter.as_bytes(), 0)? + delimiter.len(),
    };
    let mut parts = Vec::new();
    while !body[at..].starts_with(b"--") {
        let head = find(body, b"\r\n", at)? + 2;
        let blank = find(body, b"\r\n\r\n", head)?;
        let (start, end) = (blank + 4, find(body, delimiter.as_bytes(), blank + 2)?);
        let data = if start <= end { body.slice(start..end) } else { Bytes::new() };
        parts.push(part(std::str::from_utf8(&body[head..blank]).ok()?, data)?);
        at = end + delimiter.len();
    }
    Some(parts)
}

fn part(head: &str, data: Bytes) -> Option<Part> {
    let header = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition")?;
    let name = disposition.split(';').find_map(|piece| piece.trim().strip_prefix("name="))?;
    Some(Part { name: name.trim_matches('"').to_owned(), content_type: header("content-type"), data })
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let found = body.get(from..)?.windows(wanted.len()).position(|window| window == wanted);
    found.map(|position| from + position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, content_type: Option<&str>, data: &'static [u8]) -> Part {
        let content_type = content_type.map(str::to_owned);
        Part { name: name.to_owned(), content_type, data: Bytes::from_static(data) }
    }

    #[test]
    fn a_form_is_read_field_by_field() {
        let body = Bytes::from_static(
            b"--x\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\
              \r\n\x89\r\n--PNG\r\n--x\r\nContent-Disposition: form-data; name=note\r\n\r\n\r\n--x--\r\n",
        );
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; boundary=\"x\"").as_deref(), Some("x"));
        assert_eq!(
            parts(&body, "x").unwrap(),
            [field("media", Some("image/png"), b"\x89\r\n--PNG"), field("note", None, b"")]
        );
    }

    #[test]
    fn a_broken_form_is_none() {
        assert_eq!(boundary("application/json"), None);
        let whole: &[u8] = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--";
        for end in 0..whole.len() - 1 {
            assert_eq!(parts(&Bytes::copy_from_slice(&whole[..end]), "x"), None, "{end}");
        }
        assert_eq!(parts(&Bytes::from_static(whole), "y"), None);
    }
}
