# A file by curl: whole, in parts, by its headers alone, and not again while it is the same.

get() {
    rm -f body && touch body
    curl -sS -o body -D head "$@" "$URL/pulp/content/books/alphabet.txt"
    cat head body
}
body() {
    get "$@" > whole
    cat body
}

printf abcdefghijklmnopqrstuvwxyz > alphabet.txt
root="$URL/pulp/api/v3"
books=$(api "$root/repositories/file/file/" --json '{"name": "books", "autopublish": true}' | part pulp_href)
ended "$(api "$root/content/file/files/" -F relative_path=alphabet.txt -F file=@alphabet.txt -F "repository=$books" | part task)"
ended "$(api "$root/distributions/file/file/" --json "{\"name\": \"d\", \"base_path\": \"books\", \"repository\": \"$books\"}" | part task)"
refuses 401 curl -sSf "$root/repositories/file/file/"

says abcdefghijklmnopqrstuvwxyz get
says "content-type: text/plain" get
says "content-length: 26" get
says "accept-ranges: bytes" get

says "206 Partial Content" get -r 0-3
says "content-range: bytes 0-3/26" get -r 0-3
[[ $(body -r 0-3) == abcd ]]
[[ $(body -r -3) == xyz ]]
[[ $(body -r 24-) == yz ]]
says "416 Range Not Satisfiable" get -r 26-
says "content-range: bytes */26" get -r 26-
says "content-type: multipart/byteranges" get -r 0-1,4-5
says "Content-Range: bytes 4-5/26" get -r 0-1,4-5
says "200 OK" get -r 4-2
curl -sS -r 0-9 -o whole "$URL/pulp/content/books/alphabet.txt"
curl -sS -C - -o whole "$URL/pulp/content/books/alphabet.txt"
cmp whole alphabet.txt

says "200 OK" get -I
get > whole
tag=$(tr -d '\r' < head | sed -n 's/^etag: //ip')
says "304 Not Modified" get -H "If-None-Match: $tag"
[[ -z $(body -H "If-None-Match: $tag") ]]
says "200 OK" get -H 'If-None-Match: "another"'
since=$(tr -d '\r' < head | sed -n 's/^last-modified: //ip')
says "304 Not Modified" get -H "If-Modified-Since: $since"
says "206 Partial Content" get -r 0-3 -H "If-Range: $tag"
says "200 OK" get -r 0-3 -H 'If-Range: "another"'

says "405" get -X POST
says "404: Not Found" curl -sS "$URL/pulp/content/books/nothing.txt"
says 'href="./alphabet.txt"' curl -sSf "$URL/pulp/content/books/"
says '"name":"alphabet.txt"' curl -sSf -H 'Accept: application/json' "$URL/pulp/content/books/"
says "404" curl -sS --path-as-is "$URL/pulp/content/books/../books/alphabet.txt"
echo the end
