//! What only the measurements ask of a server.

use anyhow::Result;
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::Value;

use super::support::api::{Api, answer};

impl Api {
    /// Sends a form, with these additional headers.
    pub(crate) async fn form(&self, method: Method, path: &str, form: Form, headers: &[(&str, &str)]) -> Result<Value> {
        let request = self.request(method, path).multipart(form);
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// Deletes and follows the task to its end.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        self.follow(&answer(self.request(Method::DELETE, path)).await?, |_| ()).await
    }

    /// Runs a task that nobody watches.
    pub(crate) async fn done(&self, path: &str, body: &Value) -> Result<Value> {
        self.run(path, body, |_| ()).await
    }
}
