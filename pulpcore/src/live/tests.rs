//! A live API's table of routes: what is refused before it is served. What is served is told in `tests/reading_room`.

use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::*;

fn problems(routes: fn() -> Vec<LiveRoute>) -> Vec<String> {
    let refuse = |refusal: &Refusal| refusal.status.into_response();
    let api = LiveApi { label: "room", name: "reading room", claims: &["/read/", "/desk/"], routes, refuse };
    let mut problems = Vec::new();
    check(&api, &mut problems);
    problems
}

fn read(method: &'static str, pattern: &'static str) -> LiveRoute {
    LiveRoute::read(method, pattern, async |_| Ok(StatusCode::OK.into_response()))
}

fn write(method: &'static str, pattern: &'static str) -> LiveRoute {
    LiveRoute::write(method, pattern, async |_| Ok(StatusCode::OK.into_response()))
}

#[test]
fn both_roles_may_answer_on_one_path_with_their_methods() {
    assert_eq!(
        problems(|| vec![
            read("GET", "/read/{*book}/pages/{page}"),
            write("PUT", "/read/{*book}/pages/{page}"),
            write("GET", "/read/{*book}/notes/"),
            read("GET", "/desk/"),
        ]),
        Vec::<String>::new()
    );
}

#[test]
fn two_routes_for_the_same_requests_are_named() {
    let said =
        problems(|| vec![read("GET", "/read/{*a}/x"), write("GET", "/read/{*b}/x"), read("PUT", "/read/{*b}/x")]);
    let named = "the route 'GET /read/{*b}/x (api)' of 'reading room' of 'room' answers what another one answers";
    assert_eq!(said, [named]);
}

#[test]
fn routes_stay_within_the_claims() {
    let said = problems(|| vec![read("GET", "/elsewhere/"), read("GET", "/{*any}"), read("GET", "/reading/x")]);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|said| said.ends_with("lies outside its claims")), "{said:?}");
}

#[test]
fn what_is_no_pattern_or_no_method_is_named() {
    let said = problems(|| vec![read("GET", "/read/{*a}/{*b}"), read("get", "/read/")]);
    assert!(said[0].ends_with("may hold one part of several segments"), "{said:?}");
    assert!(said[1].ends_with("must have a method in capitals"), "{said:?}");
}
