#!/bin/sh
# A file to words with nothing but curl:  examples/curl.sh speech.wav [URL]
set -eu
file=$1
url=${2:-http://localhost:8080}

# The words, one turn a line.
curl -sSf -H 'Accept: text/plain' --data-binary @"$file" "$url/v1/stream"

# Everything: one JSON object a line, final transcripts picked out.
curl -sSf --data-binary @"$file" "$url/v1/stream?interim_results=false" | grep '"type":"transcript"'

# The same as server-sent events.
curl -sSf -H 'Accept: text/event-stream' --data-binary @"$file" "$url/v1/stream" |
  grep '^event: ended'
