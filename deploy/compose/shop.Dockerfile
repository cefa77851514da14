# SPDX-License-Identifier: Apache-2.0
# The shop's three services and its visitors, from Debian's packages; docker build -f this .
FROM debian:bookworm-slim AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends golang-go
COPY deploy/demo/stock.go /src/
RUN GO111MODULE=off CGO_ENABLED=0 go build -o /stock /src/stock.go

FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-psycopg2 nodejs && \
    rm -rf /var/lib/apt/lists/* && mkdir /faults
COPY deploy/demo/orders.py deploy/demo/storefront.js /shop/
COPY deploy/demo/load.py /shop/visitors.py
COPY --from=build /stock /shop/stock
WORKDIR /shop
USER 65534:65534
