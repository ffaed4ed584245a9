// Keys of every label, the seats that pages of a team are read by.
CREATE CONSTRAINT user_id IF NOT EXISTS FOR (node:User) REQUIRE node.id IS UNIQUE;
CREATE CONSTRAINT user_promoter_id IF NOT EXISTS FOR (node:User) REQUIRE node.promoter_id IS UNIQUE;
CREATE INDEX user_seat_1 IF NOT EXISTS FOR (node:User) ON (node.seat_1);
CREATE INDEX user_seat_2 IF NOT EXISTS FOR (node:User) ON (node.seat_2);
CREATE INDEX user_seat_3 IF NOT EXISTS FOR (node:User) ON (node.seat_3);
CREATE CONSTRAINT visitor_id IF NOT EXISTS FOR (node:Visitor) REQUIRE node.id IS UNIQUE;
CREATE CONSTRAINT link_code IF NOT EXISTS FOR (node:Link) REQUIRE node.code IS UNIQUE;
CREATE CONSTRAINT touch_id IF NOT EXISTS FOR (node:Touch) REQUIRE node.id IS UNIQUE;
CREATE CONSTRAINT order_id IF NOT EXISTS FOR (node:Order) REQUIRE node.id IS UNIQUE;
CREATE CONSTRAINT identifier_key IF NOT EXISTS FOR (node:Identifier) REQUIRE node.key IS UNIQUE;
CREATE CONSTRAINT state_id IF NOT EXISTS FOR (node:State) REQUIRE node.id IS UNIQUE;
CREATE CONSTRAINT migration_version IF NOT EXISTS FOR (node:Migration) REQUIRE node.version IS UNIQUE;
