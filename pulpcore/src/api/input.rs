//! Reading bodies: JSON, forms, and forms with a file that goes straight to the storage.

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use super::render::malformed_json;
use super::validate::Encoding;
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{Expected, Received};

/// A body that was read.
#[derive(Debug)]
pub(crate) struct Input<F = Received> {
    pub(crate) fields: Map<String, Value>,
    pub(crate) encoding: Encoding,
    /// The file in the field `file`: usually received and hashed, not yet kept.
    pub(crate) file: Option<F>,
}

/// The bytes of a form's file.
pub(crate) type FileStream = BoxStream<'static, Result<Bytes>>;

/// Fields of a form at most.
const MAX_FIELDS: usize = 200;

/// Reads a body of any type that the API takes.
///
/// # Errors
/// [`Error::UnsupportedMediaType`], [`Error::Malformed`], [`Error::TooLarge`].
pub(crate) async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Input> {
    read_file(app, headers, body, |_, stream| receive(app, stream)).await
}

/// The same with a say in what becomes of the file; `receive` sees the fields that came before it.
pub(crate) async fn read_file<F, R, Fut>(app: &App, headers: &HeaderMap, body: Body, receive: R) -> Result<Input<F>>
where
    R: FnOnce(&Map<String, Value>, FileStream) -> Fut,
    Fut: Future<Output = Result<F>>,
{
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => json(app, body).await,
        "application/x-www-form-urlencoded" => form(app, body).await,
        "multipart/form-data" => multipart(app, content_type, body.into_data_stream(), receive).await,
        _ => {
            let bytes = collect(app, body).await?;
            if bytes.is_empty() {
                return Ok(Input { fields: Map::new(), encoding: Encoding::Json, file: None });
            }
            Err(Error::UnsupportedMediaType(content_type.to_owned()))
        }
    }
}

async fn collect(app: &App, body: Body) -> Result<Bytes> {
    let limit = app.settings.max_json_body;
    let mut bytes = BytesMut::new();
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Error::Malformed(format!("The body could not be read: {error}")))?;
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(Error::TooLarge(format!("The body is larger than {limit} bytes.")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

async fn json<F>(app: &App, body: Body) -> Result<Input<F>> {
    let bytes = collect(app, body).await?;
    let fields = match bytes.is_empty() {
        true => Map::new(),
        false => match serde_json::from_slice(&bytes).map_err(|error| malformed_json(&error, &bytes))? {
            Value::Object(fields) => fields,
            other => {
                let name = super::validate::python_type(&other);
                let message = format!("Invalid data. Expected a dictionary, but got {name}.");
                return Err(Error::invalid_together(message));
            }
        },
    };
    Ok(Input { fields, encoding: Encoding::Json, file: None })
}

async fn form<F>(app: &App, body: Body) -> Result<Input<F>> {
    let bytes = collect(app, body).await?;
    let pairs: Vec<(String, String)> =
        serde_html_form::from_bytes(&bytes).map_err(|error| Error::Malformed(format!("Form parse error - {error}")))?;
    let mut fields = Map::new();
    for (name, value) in pairs {
        put(&mut fields, name, value)?;
    }
    Ok(Input { fields, encoding: Encoding::Form, file: None })
}

async fn multipart<F, R, Fut>(app: &App, content_type: &str, body: BodyDataStream, receive: R) -> Result<Input<F>>
where
    R: FnOnce(&Map<String, Value>, FileStream) -> Fut,
    Fut: Future<Output = Result<F>>,
{
    let malformed = |error: multer::Error| Error::Malformed(format!("Multipart form parse error - {error}"));
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let mut form = multer::Multipart::new(body, boundary);
    let mut input = Input { fields: Map::new(), encoding: Encoding::Form, file: None };
    let mut receive = Some(receive);
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file"
            && let Some(receive) = receive.take()
        {
            input.file = Some(receive(&input.fields, field.map_err(malformed).boxed()).await?);
            continue;
        }
        let text = text(app, field.map_err(malformed)).await?;
        put(&mut input.fields, name, text)?;
    }
    Ok(input)
}

async fn receive(app: &App, stream: FileStream) -> Result<Received> {
    let expected = Expected { max_size: Some(app.settings.max_upload_size), ..Expected::default() };
    app.storage.receive(stream, &expected).await.map_err(crate::storage::ReceiveError::invalid)
}

async fn text(app: &App, mut stream: impl Stream<Item = Result<Bytes>> + Unpin) -> Result<String> {
    let limit = app.settings.max_json_body;
    let mut bytes = BytesMut::new();
    while let Some(chunk) = stream.try_next().await? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(Error::TooLarge(format!("A form field is larger than {limit} bytes.")));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes.into()).map_err(|_| Error::Malformed("A form field is not UTF-8.".to_owned()))
}

/// Puts a form's value; a name that occurs again makes a list.
fn put(fields: &mut Map<String, Value>, name: String, value: String) -> Result<()> {
    if fields.len() >= MAX_FIELDS {
        return Err(Error::TooLarge(format!("The form has more than {MAX_FIELDS} fields.")));
    }
    match fields.get_mut(&name) {
        None => drop(fields.insert(name, Value::String(value))),
        Some(Value::Array(values)) => values.push(Value::String(value)),
        Some(first) => {
            let earlier = first.take();
            *first = Value::Array(vec![earlier, Value::String(value)]);
        }
    }
    Ok(())
}
