BEGIN TRANSACTION;
CREATE TABLE api_request (
	rollout VARCHAR NOT NULL, 
	cluster VARCHAR NOT NULL, 
	verb VARCHAR NOT NULL, 
	resource VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	PRIMARY KEY (rollout, cluster, verb, resource)
);
CREATE TABLE budget (
	id INTEGER NOT NULL, 
	cluster VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	namespace VARCHAR NOT NULL, 
	fact TEXT NOT NULL, 
	state TEXT NOT NULL, 
	source VARCHAR NOT NULL, 
	valid_from VARCHAR(32) NOT NULL, 
	valid_to VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster) REFERENCES cluster (name)
);
INSERT INTO "budget" VALUES(1,'east','shop','pdb-shop','web','{"max_unavailable":1,"name":"shop","namespace":"web","selector":{"matchLabels":{"app":"shop"},"matchExpressions":[]},"uid":"pdb-shop"}','{"current_healthy":6,"desired_healthy":5,"disruptions_allowed":1,"expected_pods":6}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
CREATE TABLE checkpoint (
	id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	hash VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "checkpoint" VALUES(1,80,'a3924a55b4cb4a02b680b3e8b7e47d4766483672e6470d84694cf5d91b625888',80);
CREATE TABLE cluster (
	name VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	kubeconfig VARCHAR NOT NULL, 
	context VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	server_version VARCHAR NOT NULL, 
	last_seen VARCHAR(32), 
	last_error TEXT NOT NULL, 
	error_since VARCHAR(32), 
	removed_at VARCHAR(32), 
	PRIMARY KEY (name)
);
INSERT INTO "cluster" VALUES('east','simulated','','','','v1.36.3','2026-11-02T09:00:09.017545+00:00','',NULL,NULL);
CREATE TABLE cluster_site (
	cluster VARCHAR NOT NULL, 
	site VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	PRIMARY KEY (cluster, site), 
	FOREIGN KEY(cluster) REFERENCES cluster (name), 
	FOREIGN KEY(site) REFERENCES site (name)
);
INSERT INTO "cluster_site" VALUES('east','fra',0);
CREATE TABLE fleet_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT fleet_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "fleet_schema" VALUES('0007');
CREATE TABLE fold (
	rollout VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (rollout)
);
CREATE TABLE fold_place (
	seq BIGINT NOT NULL, 
	hash VARCHAR NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE TABLE held (
	rollout VARCHAR NOT NULL, 
	node VARCHAR NOT NULL, 
	since VARCHAR(32) NOT NULL, 
	reasons TEXT NOT NULL, 
	PRIMARY KEY (rollout, node)
);
INSERT INTO "held" VALUES('r-1','east/n-3','2026-11-02T09:04:44.239599+00:00','[{"reason":"budget","subject":"web/shop","facts":{"allowed":0,"expected":6,"healthy":6,"need":1,"replicas":"6 replicas","rule":"maxUnavailable 1","workload":"web/shop"}}]');
CREATE TABLE journal (
	seq BIGINT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	actor VARCHAR NOT NULL, 
	epoch BIGINT NOT NULL, 
	form VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	rollout VARCHAR NOT NULL, 
	node VARCHAR NOT NULL, 
	detail TEXT NOT NULL, 
	prev_hash VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "journal" VALUES(1,'2026-11-02T09:00:00.024839+00:00','ada@desk',0,'command','start','r-1','','{"expected_seconds":0,"goals":[{"canary":false,"etcd":{},"from_version":"","node":["east","n-0"],"pool":"workers","site":"","uid":"uid-n-0","urgency":0,"zone":""},{"canary":false,"etcd":{},"from_version":"","node":["east","n-1"],"pool":"workers","site":"","uid":"uid-n-1","urgency":0,"zone":""},{"canary":false,"etcd":{},"from_version":"","node":["east","n-2"],"pool":"workers","site":"","uid":"uid-n-2","urgency":0,"zone":""},{"canary":false,"etcd":{},"from_version":"","node":["east","n-3"],"pool":"workers","site":"","uid":"uid-n-3","urgency":0,"zone":""}],"plan":"p-1","policy":{"freezes":[],"limits":{"max_unavailable":null,"per_cluster":null,"per_site":null,"per_zone":null},"pools":[{"canaries":0,"clusters":[],"drain":{"grace_seconds":null,"host_path":"evict","local_data":"evict","no_room":"hold","rules":[],"timeout_seconds":3600,"unmanaged":"hold","volumes":"wait"},"failure_limit":1,"limits":{"max_unavailable":{"number":2,"percent":false},"per_cluster":null,"per_site":null,"per_zone":null},"name":"workers","playbooks":{},"reach":"agent","reboot":{"timeout_seconds":900},"selector":{"matchExpressions":[],"matchLabels":{"pool":"workers"}},"soak_seconds":30,"source":"","stage":{"concurrency":10,"timeout_seconds":1800},"stream":"stable","version":"","windows":[]}],"quorums":[],"streams":[{"name":"stable","releases":[{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","digests":[],"kernel":"6.11.4","kubelet":"","reference_digest":"","version":"44.20261015.3.0"},{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"}]}]},"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"}}','0000000000000000000000000000000000000000000000000000000000000000','3a2bb0aa9529e7fe452621a82a6305e14bf4f7584c6d3d0ff98026d12587b6fa');
INSERT INTO "journal" VALUES(2,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','mark','r-1','east/n-0','{"id":"r-1/1-70700a","kind":"mark","node":["east","n-0"],"rollout":"r-1","uid":"uid-n-0"}','3a2bb0aa9529e7fe452621a82a6305e14bf4f7584c6d3d0ff98026d12587b6fa','0d53c635e183845dc62e1b9f9a9a95922e45c7bdc7841831f84dcd4c8f3ffec5');
INSERT INTO "journal" VALUES(3,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','mark','r-1','east/n-1','{"id":"r-1/2-70700a","kind":"mark","node":["east","n-1"],"rollout":"r-1","uid":"uid-n-1"}','0d53c635e183845dc62e1b9f9a9a95922e45c7bdc7841831f84dcd4c8f3ffec5','3474b8b22c85c240aa592b8bb7bccdf654a251e3be165f7c0085aea56608de3d');
INSERT INTO "journal" VALUES(4,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','mark','r-1','east/n-2','{"id":"r-1/3-70700a","kind":"mark","node":["east","n-2"],"rollout":"r-1","uid":"uid-n-2"}','3474b8b22c85c240aa592b8bb7bccdf654a251e3be165f7c0085aea56608de3d','435f870a1c5ee57473e065a993ec8d167747f0c4ba6fdddcd17ca07690912777');
INSERT INTO "journal" VALUES(5,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','mark','r-1','east/n-3','{"id":"r-1/4-70700a","kind":"mark","node":["east","n-3"],"rollout":"r-1","uid":"uid-n-3"}','435f870a1c5ee57473e065a993ec8d167747f0c4ba6fdddcd17ca07690912777','85d5cf9d4b5a6f0be55bc2a89937faee9d8202abd88153610240a5c9846bd6ed');
INSERT INTO "journal" VALUES(6,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-3','{"to":"stage","turn":"begin"}','85d5cf9d4b5a6f0be55bc2a89937faee9d8202abd88153610240a5c9846bd6ed','9b6d347e55cf0161f21b879c1533f125026dee8babe5cd30ce729be1ed107aa0');
INSERT INTO "journal" VALUES(7,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-2','{"to":"stage","turn":"begin"}','9b6d347e55cf0161f21b879c1533f125026dee8babe5cd30ce729be1ed107aa0','9450dfacf2a946044d6fd5e2c6ea16a9fa8920fbbfdfb9dd47d90544fa29c872');
INSERT INTO "journal" VALUES(8,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"to":"stage","turn":"begin"}','9450dfacf2a946044d6fd5e2c6ea16a9fa8920fbbfdfb9dd47d90544fa29c872','2c79a6d2c39794259985b50893680ff7d95c9475c1bb1046f252748ef38ac70f');
INSERT INTO "journal" VALUES(9,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"to":"stage","turn":"begin"}','2c79a6d2c39794259985b50893680ff7d95c9475c1bb1046f252748ef38ac70f','2d69b8b6be1a183d4b7a5698c32952ecd8a42cfef6bcd57dd698ca028e2ab29c');
INSERT INTO "journal" VALUES(10,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','stage','r-1','east/n-3','{"id":"r-1/5-70700a","kind":"stage","node":["east","n-3"],"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"},"rollout":"r-1","token":"r-1/n-3/stage/0","uid":"uid-n-3"}','2d69b8b6be1a183d4b7a5698c32952ecd8a42cfef6bcd57dd698ca028e2ab29c','c0f3af60b207c1e0c81ce34cee8bc1a735de0917ea8d52043ced322c119e4804');
INSERT INTO "journal" VALUES(11,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','stage','r-1','east/n-2','{"id":"r-1/6-70700a","kind":"stage","node":["east","n-2"],"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"},"rollout":"r-1","token":"r-1/n-2/stage/0","uid":"uid-n-2"}','c0f3af60b207c1e0c81ce34cee8bc1a735de0917ea8d52043ced322c119e4804','b5326ead8616138e3474d74628755694330bd8cb1c61923dcc5cacd2db38b8c7');
INSERT INTO "journal" VALUES(12,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','stage','r-1','east/n-1','{"id":"r-1/7-70700a","kind":"stage","node":["east","n-1"],"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"},"rollout":"r-1","token":"r-1/n-1/stage/0","uid":"uid-n-1"}','b5326ead8616138e3474d74628755694330bd8cb1c61923dcc5cacd2db38b8c7','a7200bde24ac03b56a322fcb9aa47525ad921ea2c3564082f7c342ca4e25ba1a');
INSERT INTO "journal" VALUES(13,'2026-11-02T09:00:12.579847+00:00','fleet@vm/6209/255634',1,'intent','stage','r-1','east/n-0','{"id":"r-1/8-70700a","kind":"stage","node":["east","n-0"],"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"},"rollout":"r-1","token":"r-1/n-0/stage/0","uid":"uid-n-0"}','a7200bde24ac03b56a322fcb9aa47525ad921ea2c3564082f7c342ca4e25ba1a','341f18b391a82d5559295b05b416a722cbb9ef0a00cdd3553340d627daa638b8');
INSERT INTO "journal" VALUES(14,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','mark','r-1','east/n-0','{"id":"r-1/1-70700a","result":"done"}','341f18b391a82d5559295b05b416a722cbb9ef0a00cdd3553340d627daa638b8','c2343f9e67368b64c08bfe5917cc215aac67ff057cab126546ca37de8ad8c3a6');
INSERT INTO "journal" VALUES(15,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','mark','r-1','east/n-1','{"id":"r-1/2-70700a","result":"done"}','c2343f9e67368b64c08bfe5917cc215aac67ff057cab126546ca37de8ad8c3a6','702923929d8443eca314374f4260c2bc3adbb96c66c32bdd20c9d9bcdcae8df6');
INSERT INTO "journal" VALUES(16,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','mark','r-1','east/n-2','{"id":"r-1/3-70700a","result":"done"}','702923929d8443eca314374f4260c2bc3adbb96c66c32bdd20c9d9bcdcae8df6','ae2f7a63360f766bc68b0cdc6e6323abfb9ccf840df2bbba850659ae763b1716');
INSERT INTO "journal" VALUES(17,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','mark','r-1','east/n-3','{"id":"r-1/4-70700a","result":"done"}','ae2f7a63360f766bc68b0cdc6e6323abfb9ccf840df2bbba850659ae763b1716','a123865568890de32100430db119744b694e9349c53adc1944404a2d9dfed960');
INSERT INTO "journal" VALUES(18,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','stage','r-1','east/n-3','{"id":"r-1/5-70700a","result":"done"}','a123865568890de32100430db119744b694e9349c53adc1944404a2d9dfed960','ca8288c94355bd7981a8a522e9e469736879c2234fad620120156f5f51f5f543');
INSERT INTO "journal" VALUES(19,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','stage','r-1','east/n-2','{"id":"r-1/6-70700a","result":"done"}','ca8288c94355bd7981a8a522e9e469736879c2234fad620120156f5f51f5f543','cb35f6ffe070f2de61f0a38a2bdde6cf4dca9a569131a9b22ff87667545cbe3b');
INSERT INTO "journal" VALUES(20,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','stage','r-1','east/n-1','{"id":"r-1/7-70700a","result":"done"}','cb35f6ffe070f2de61f0a38a2bdde6cf4dca9a569131a9b22ff87667545cbe3b','701f91b034a78b44d101a657ca20977dae307ef918dd24237154150705c2d90b');
INSERT INTO "journal" VALUES(21,'2026-11-02T09:00:23.043285+00:00','fleet@vm/6209/255634',1,'outcome','stage','r-1','east/n-0','{"id":"r-1/8-70700a","result":"done"}','701f91b034a78b44d101a657ca20977dae307ef918dd24237154150705c2d90b','8a100be4c4458d8ee704d4609bfc956d119216b82e05d5487fbbb0e75e5d437e');
INSERT INTO "journal" VALUES(22,'2026-11-02T09:00:53.083256+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-3','{"to":"staged","turn":"done"}','8a100be4c4458d8ee704d4609bfc956d119216b82e05d5487fbbb0e75e5d437e','f458d7445df731f7718f3da032e67315128e2d054614f57d0d124bb257d1ef3d');
INSERT INTO "journal" VALUES(23,'2026-11-02T09:00:53.083256+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-2','{"to":"staged","turn":"done"}','f458d7445df731f7718f3da032e67315128e2d054614f57d0d124bb257d1ef3d','a7a8eefb24c8601f39a1d383c712fc9d8d1c5eca60134d370dc358b319fd6e18');
INSERT INTO "journal" VALUES(24,'2026-11-02T09:00:53.083256+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"to":"staged","turn":"done"}','a7a8eefb24c8601f39a1d383c712fc9d8d1c5eca60134d370dc358b319fd6e18','490f936cfa8f1d75de6e91b12f60885f91a97e3d45bb1730c89b09b71e7f2bbc');
INSERT INTO "journal" VALUES(25,'2026-11-02T09:00:53.083256+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"to":"staged","turn":"done"}','490f936cfa8f1d75de6e91b12f60885f91a97e3d45bb1730c89b09b71e7f2bbc','40b91e14c6ceb2465a6584f49b31d81dc2d4e599d51ddbfebdd4c0f9306c5965');
INSERT INTO "journal" VALUES(26,'2026-11-02T09:00:53.083256+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"to":"cordon","turn":"begin"}','40b91e14c6ceb2465a6584f49b31d81dc2d4e599d51ddbfebdd4c0f9306c5965','044cfc42cbe1e2f63e275d0323e04ee0f116f052017672285c1a1e0770e5667a');
INSERT INTO "journal" VALUES(27,'2026-11-02T09:00:53.083256+00:00','fleet@vm/6209/255634',1,'intent','cordon','r-1','east/n-0','{"id":"r-1/9-70700a","kind":"cordon","node":["east","n-0"],"rollout":"r-1","uid":"uid-n-0"}','044cfc42cbe1e2f63e275d0323e04ee0f116f052017672285c1a1e0770e5667a','e2b03580e25ef9011953b60e02bbfbf4b32b751e2c14c8ad127a7a89581f6842');
INSERT INTO "journal" VALUES(28,'2026-11-02T09:00:58.681867+00:00','fleet@vm/6209/255634',1,'outcome','cordon','r-1','east/n-0','{"id":"r-1/9-70700a","result":"done"}','e2b03580e25ef9011953b60e02bbfbf4b32b751e2c14c8ad127a7a89581f6842','14ea9f562b7ddf771389875c1474d7d1281907ec28bfb2810eb6991b25df4e96');
INSERT INTO "journal" VALUES(29,'2026-11-02T09:01:02.622686+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"to":"drain","turn":"done"}','14ea9f562b7ddf771389875c1474d7d1281907ec28bfb2810eb6991b25df4e96','09d9e07c4860c7cb4c22c8927b094ed0587db6ba0d656de2ec42099bc9396b5a');
INSERT INTO "journal" VALUES(30,'2026-11-02T09:01:02.622686+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-0','{"asked":false,"grace_seconds":null,"id":"r-1/10-70700a","kind":"evict","node":["east","n-0"],"pod":["web","shop-1-0"],"pod_uid":"pod-shop-0","rollout":"r-1","there":2,"uid":"uid-n-0","workload":"Deployment web/shop"}','09d9e07c4860c7cb4c22c8927b094ed0587db6ba0d656de2ec42099bc9396b5a','4a9e6fd1dbcea65da0db666d2d3ae8bf98704761c77ccde96c3aec1b9baba791');
INSERT INTO "journal" VALUES(31,'2026-11-02T09:01:12.207527+00:00','fleet@vm/6209/255634',1,'outcome','evict','r-1','east/n-0','{"id":"r-1/10-70700a","result":"done"}','4a9e6fd1dbcea65da0db666d2d3ae8bf98704761c77ccde96c3aec1b9baba791','f9b26fa8b6beed5f43c51012504336c076314f8ff66a1a0386ac92b0a2659fbc');
INSERT INTO "journal" VALUES(32,'2026-11-02T09:01:20.335890+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-0','{"asked":false,"grace_seconds":null,"id":"r-1/11-70700a","kind":"evict","node":["east","n-0"],"pod":["web","shop-1-4"],"pod_uid":"pod-shop-4","rollout":"r-1","there":2,"uid":"uid-n-0","workload":"Deployment web/shop"}','f9b26fa8b6beed5f43c51012504336c076314f8ff66a1a0386ac92b0a2659fbc','4de0d4b8479e95ced45d69a6949fd9ec124f67a29455264bb5774fcc3da6fd9a');
INSERT INTO "journal" VALUES(33,'2026-11-02T09:01:24.978233+00:00','fleet@vm/6209/255634',1,'outcome','evict','r-1','east/n-0','{"id":"r-1/11-70700a","result":"done"}','4de0d4b8479e95ced45d69a6949fd9ec124f67a29455264bb5774fcc3da6fd9a','65c92b7b93ca6301ad171da73d49ae231a61f28cd54d51e20f25feaf765ac2e4');
INSERT INTO "journal" VALUES(34,'2026-11-02T09:01:37.774931+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"boot_id":"boot-n-0","identity":["machine-n-0","",""],"to":"reboot","turn":"done"}','65c92b7b93ca6301ad171da73d49ae231a61f28cd54d51e20f25feaf765ac2e4','2394a19e515df4dd5f9516a21f601786fec7e982518fec04cc3de2c417bd9d30');
INSERT INTO "journal" VALUES(35,'2026-11-02T09:01:37.774931+00:00','fleet@vm/6209/255634',1,'intent','reboot','r-1','east/n-0','{"boot_id":"boot-n-0","id":"r-1/12-70700a","kind":"reboot","node":["east","n-0"],"quorums":{},"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"},"rollout":"r-1","staying":[],"token":"r-1/n-0/reboot/0","uid":"uid-n-0"}','2394a19e515df4dd5f9516a21f601786fec7e982518fec04cc3de2c417bd9d30','6dcd96fe9193cc2480976baa9a2e51e2e57dffca867a49fcee68cbf4d863929c');
INSERT INTO "journal" VALUES(36,'2026-11-02T09:01:37.774931+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"to":"cordon","turn":"begin"}','6dcd96fe9193cc2480976baa9a2e51e2e57dffca867a49fcee68cbf4d863929c','f51a0aced4fefdb3b927c0a2909b30e4f8f0bcb0d52132710f1c6ccb9e4b4b05');
INSERT INTO "journal" VALUES(37,'2026-11-02T09:01:37.774931+00:00','fleet@vm/6209/255634',1,'intent','cordon','r-1','east/n-1','{"id":"r-1/13-70700a","kind":"cordon","node":["east","n-1"],"rollout":"r-1","uid":"uid-n-1"}','f51a0aced4fefdb3b927c0a2909b30e4f8f0bcb0d52132710f1c6ccb9e4b4b05','492c7c29286c9b7aca1d9436af20afedb9de3904b96d85961ea98af5ce7886b0');
INSERT INTO "journal" VALUES(38,'2026-11-02T09:01:37.774931+00:00','fleet@vm/6209/255634',1,'decision','timed','r-1','east/n-0','{"start":{"web/shop-1":[6690,12362]},"stop":[20214,18444]}','492c7c29286c9b7aca1d9436af20afedb9de3904b96d85961ea98af5ce7886b0','39c97735fa659de7f5e175519bb7738c21d6ee0f4ecc1cbbb9f069c822864722');
INSERT INTO "journal" VALUES(39,'2026-11-02T09:01:51.458618+00:00','fleet@vm/6209/255634',1,'outcome','reboot','r-1','east/n-0','{"id":"r-1/12-70700a","result":"done"}','39c97735fa659de7f5e175519bb7738c21d6ee0f4ecc1cbbb9f069c822864722','97c9243fc0fc55e9f4f3a989171aab51ded2e2481bea9ae7ee432da5a419f41f');
INSERT INTO "journal" VALUES(40,'2026-11-02T09:01:51.458618+00:00','fleet@vm/6209/255634',1,'outcome','cordon','r-1','east/n-1','{"id":"r-1/13-70700a","result":"done"}','97c9243fc0fc55e9f4f3a989171aab51ded2e2481bea9ae7ee432da5a419f41f','0a32fb3eafa163e5fd3e10e532bae563ade1938b7be94e98136fafd4760b2576');
INSERT INTO "journal" VALUES(41,'2026-11-02T09:01:59.002296+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"to":"drain","turn":"done"}','0a32fb3eafa163e5fd3e10e532bae563ade1938b7be94e98136fafd4760b2576','2603cb1d10d0711f1173d1ffa2c555dc6380df34b094e854071c34d737de58a2');
INSERT INTO "journal" VALUES(42,'2026-11-02T09:01:59.002296+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-1','{"asked":false,"grace_seconds":null,"id":"r-1/14-70700a","kind":"evict","node":["east","n-1"],"pod":["web","shop-1-1"],"pod_uid":"pod-shop-1","rollout":"r-1","there":2,"uid":"uid-n-1","workload":"Deployment web/shop"}','2603cb1d10d0711f1173d1ffa2c555dc6380df34b094e854071c34d737de58a2','9961bf665e0cfcb9ce94f7a864f0bd72cc6bf5108f58051b72ae29e6c7de3697');
INSERT INTO "journal" VALUES(43,'2026-11-02T09:02:23.507998+00:00','fleet@vm/6209/255634',1,'outcome','evict','r-1','east/n-1','{"id":"r-1/14-70700a","result":"done"}','9961bf665e0cfcb9ce94f7a864f0bd72cc6bf5108f58051b72ae29e6c7de3697','3fd5a40600ea4ef65127ea54aa9a47d813deea1b44f0db62cddc8818e48e84bf');
INSERT INTO "journal" VALUES(44,'2026-11-02T09:02:30.037064+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"to":"verify","turn":"done"}','3fd5a40600ea4ef65127ea54aa9a47d813deea1b44f0db62cddc8818e48e84bf','323838ed03175b6aa6e1935606f316c356e0aa0a4e31f77eae3d782ef2fdb241');
INSERT INTO "journal" VALUES(45,'2026-11-02T09:02:30.037064+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"proof":{"boot_id_after":"6ec9d286-63ca-828d-d5f4-b3b2e4b06ce6","boot_id_before":"boot-n-0","digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","kernel":"6.12.9","ready":"True","units":"running","version":"44.20261101.3.0"},"to":"uncordon","turn":"done"}','323838ed03175b6aa6e1935606f316c356e0aa0a4e31f77eae3d782ef2fdb241','f1a81a449b82613c33a517f48f2b1509b4579ed38ee4fb78168f32a9a90563d1');
INSERT INTO "journal" VALUES(46,'2026-11-02T09:02:30.037064+00:00','fleet@vm/6209/255634',1,'intent','uncordon','r-1','east/n-0','{"id":"r-1/15-70700a","kind":"uncordon","node":["east","n-0"],"rollout":"r-1","uid":"uid-n-0"}','f1a81a449b82613c33a517f48f2b1509b4579ed38ee4fb78168f32a9a90563d1','54fe7eeb28fa89f5e854917865b1102a6aaed61ad1b95560f908a97fb028215e');
INSERT INTO "journal" VALUES(47,'2026-11-02T09:02:38.429830+00:00','fleet@vm/6209/255634',1,'outcome','uncordon','r-1','east/n-0','{"id":"r-1/15-70700a","result":"done"}','54fe7eeb28fa89f5e854917865b1102a6aaed61ad1b95560f908a97fb028215e','faeb62fe2d87b5dfc106a958b623b8c2be5a10d067ec1912a864a6f8483fabe9');
INSERT INTO "journal" VALUES(48,'2026-11-02T09:02:42.263271+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"to":"soak","turn":"done"}','faeb62fe2d87b5dfc106a958b623b8c2be5a10d067ec1912a864a6f8483fabe9','724e6c75129776bee19d838d57dcbbe69902320acd2302677e7fbeea9519c435');
INSERT INTO "journal" VALUES(49,'2026-11-02T09:02:42.263271+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-1','{"asked":false,"grace_seconds":null,"id":"r-1/16-70700a","kind":"evict","node":["east","n-1"],"pod":["web","shop-1-5"],"pod_uid":"pod-shop-5","rollout":"r-1","there":2,"uid":"uid-n-1","workload":"Deployment web/shop"}','724e6c75129776bee19d838d57dcbbe69902320acd2302677e7fbeea9519c435','2b8526b9ad5b7b68923243bd8f9fbe571f7fac2124c81e97cfc32557b1103bfa');
INSERT INTO "journal" VALUES(50,'2026-11-02T09:02:48.598442+00:00','fleet@vm/6209/255634',1,'outcome','evict','r-1','east/n-1','{"id":"r-1/16-70700a","result":"done"}','2b8526b9ad5b7b68923243bd8f9fbe571f7fac2124c81e97cfc32557b1103bfa','c9bbe9cea3385c57a443add17ee84d2f565972c23c4e4132849e207ce388ceb5');
INSERT INTO "journal" VALUES(51,'2026-11-02T09:02:58.187187+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"boot_id":"boot-n-1","identity":["machine-n-1","",""],"to":"reboot","turn":"done"}','c9bbe9cea3385c57a443add17ee84d2f565972c23c4e4132849e207ce388ceb5','92e6c673114de3a03adfddcdc5da2557992d68e4e1494f0bc6add357e47f5d41');
INSERT INTO "journal" VALUES(52,'2026-11-02T09:02:58.187187+00:00','fleet@vm/6209/255634',1,'intent','reboot','r-1','east/n-1','{"boot_id":"boot-n-1","id":"r-1/17-70700a","kind":"reboot","node":["east","n-1"],"quorums":{},"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"},"rollout":"r-1","staying":[],"token":"r-1/n-1/reboot/0","uid":"uid-n-1"}','92e6c673114de3a03adfddcdc5da2557992d68e4e1494f0bc6add357e47f5d41','2a631cea970d5f951cd0d9d2cd1683b6466750a4eebc0e8c52080c2d6c18db76');
INSERT INTO "journal" VALUES(53,'2026-11-02T09:02:58.187187+00:00','fleet@vm/6209/255634',1,'decision','timed','r-1','east/n-1','{"start":{"web/shop-1":[11110,0]},"stop":[35860,19481]}','2a631cea970d5f951cd0d9d2cd1683b6466750a4eebc0e8c52080c2d6c18db76','672e10557db2bcb2a107017e99384ea056845a56a873e189105cdf1e8da062f7');
INSERT INTO "journal" VALUES(54,'2026-11-02T09:03:12.006367+00:00','fleet@vm/6209/255634',1,'outcome','reboot','r-1','east/n-1','{"id":"r-1/17-70700a","result":"done"}','672e10557db2bcb2a107017e99384ea056845a56a873e189105cdf1e8da062f7','6fdcc6d026c0d9945fc8839146bf3d0933f67a0709eaa20ea4d554323d5be24f');
INSERT INTO "journal" VALUES(55,'2026-11-02T09:03:14.702419+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-0','{"to":"done","turn":"done"}','6fdcc6d026c0d9945fc8839146bf3d0933f67a0709eaa20ea4d554323d5be24f','34eb122bc4493271c5c65f10fc484440555f519b093b9264a44f2344371caed0');
INSERT INTO "journal" VALUES(56,'2026-11-02T09:03:14.702419+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-2','{"to":"cordon","turn":"begin"}','34eb122bc4493271c5c65f10fc484440555f519b093b9264a44f2344371caed0','b5f6c92bef488507c7cff6d1d18afcc79aa313ccabda6347acd305caeccf93c7');
INSERT INTO "journal" VALUES(57,'2026-11-02T09:03:14.702419+00:00','fleet@vm/6209/255634',1,'intent','cordon','r-1','east/n-2','{"id":"r-1/18-70700a","kind":"cordon","node":["east","n-2"],"rollout":"r-1","uid":"uid-n-2"}','b5f6c92bef488507c7cff6d1d18afcc79aa313ccabda6347acd305caeccf93c7','ab83d07a841733250450ec99e3f863d47a93da6606e8104523920c176e88e5a7');
INSERT INTO "journal" VALUES(58,'2026-11-02T09:03:20.376966+00:00','fleet@vm/6209/255634',1,'outcome','cordon','r-1','east/n-2','{"id":"r-1/18-70700a","result":"done"}','ab83d07a841733250450ec99e3f863d47a93da6606e8104523920c176e88e5a7','48e6d896b7c467e6ab2f0128ab4b427fad89f2c9f5fa37005c8e347ffecc78e1');
INSERT INTO "journal" VALUES(59,'2026-11-02T09:03:22.986165+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-2','{"to":"drain","turn":"done"}','48e6d896b7c467e6ab2f0128ab4b427fad89f2c9f5fa37005c8e347ffecc78e1','9f3b47491340ba37f55a53d0559b798c7630d064f036415af443eb63d1aed08d');
INSERT INTO "journal" VALUES(60,'2026-11-02T09:03:22.986165+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-2','{"asked":false,"grace_seconds":null,"id":"r-1/19-70700a","kind":"evict","node":["east","n-2"],"pod":["web","shop-1-2"],"pod_uid":"pod-shop-2","rollout":"r-1","there":3,"uid":"uid-n-2","workload":"Deployment web/shop"}','9f3b47491340ba37f55a53d0559b798c7630d064f036415af443eb63d1aed08d','6893e77aee99e3e64f92a7e05e73b13d06aad5d6da1e9123edeb9531ff5b1f04');
INSERT INTO "journal" VALUES(61,'2026-11-02T09:03:32.640060+00:00','fleet@vm/6209/255634',1,'outcome','evict','r-1','east/n-2','{"id":"r-1/19-70700a","result":"done"}','6893e77aee99e3e64f92a7e05e73b13d06aad5d6da1e9123edeb9531ff5b1f04','4d485f99435d2902e4b9771564ce26dc1cf391718931c3b3e4706b6eee4ce16b');
INSERT INTO "journal" VALUES(62,'2026-11-02T09:03:44.386223+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-2','{"asked":false,"grace_seconds":null,"id":"r-1/20-70700a","kind":"evict","node":["east","n-2"],"pod":["web","shop-1-2265b1"],"pod_uid":"c386bbc4cd613e30d8f16adf91b7584a","rollout":"r-1","there":3,"uid":"uid-n-2","workload":"Deployment web/shop"}','4d485f99435d2902e4b9771564ce26dc1cf391718931c3b3e4706b6eee4ce16b','df434fed4975e052e87692310972cfe82a512bad14617741350f578b3f309548');
INSERT INTO "journal" VALUES(63,'2026-11-02T09:03:44.386223+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"to":"verify","turn":"done"}','df434fed4975e052e87692310972cfe82a512bad14617741350f578b3f309548','03e8105aac761b7d7d1024a065df5b56d1af48ecbde24eb625131bb207c6d775');
INSERT INTO "journal" VALUES(64,'2026-11-02T09:03:44.386223+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"proof":{"boot_id_after":"06839eb9-05b6-e6e3-07d4-bedc51431193","boot_id_before":"boot-n-1","digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","kernel":"6.12.9","ready":"True","units":"running","version":"44.20261101.3.0"},"to":"uncordon","turn":"done"}','03e8105aac761b7d7d1024a065df5b56d1af48ecbde24eb625131bb207c6d775','ed4f3e0779615b2894f69f933623c1027f10b6604b08283101611584512b078c');
INSERT INTO "journal" VALUES(65,'2026-11-02T09:03:44.386223+00:00','fleet@vm/6209/255634',1,'intent','uncordon','r-1','east/n-1','{"id":"r-1/21-70700a","kind":"uncordon","node":["east","n-1"],"rollout":"r-1","uid":"uid-n-1"}','ed4f3e0779615b2894f69f933623c1027f10b6604b08283101611584512b078c','0d6d9770fe50a6b295928d2853a047d4eab3a7cb173dbbed0a0b6af43346877b');
INSERT INTO "journal" VALUES(66,'2026-11-02T09:03:48.314119+00:00','fleet@vm/6209/255634',1,'outcome','evict','r-1','east/n-2','{"id":"r-1/20-70700a","result":"done"}','0d6d9770fe50a6b295928d2853a047d4eab3a7cb173dbbed0a0b6af43346877b','831f3dd2aeb68305b7bb3a809b66625d654995355dbb9cba39bdfa314354d5c6');
INSERT INTO "journal" VALUES(67,'2026-11-02T09:03:48.314119+00:00','fleet@vm/6209/255634',1,'outcome','uncordon','r-1','east/n-1','{"id":"r-1/21-70700a","result":"done"}','831f3dd2aeb68305b7bb3a809b66625d654995355dbb9cba39bdfa314354d5c6','132d01baec88d62f75844765b6dfb8e3e58dc2b3e25d28dc4bc6715913113f34');
INSERT INTO "journal" VALUES(68,'2026-11-02T09:03:49.381747+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"to":"soak","turn":"done"}','132d01baec88d62f75844765b6dfb8e3e58dc2b3e25d28dc4bc6715913113f34','887beb4e99158398f571546a2aee84ceca0c96ba163d70e899ca63496721d590');
INSERT INTO "journal" VALUES(69,'2026-11-02T09:03:58.037807+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-2','{"asked":false,"grace_seconds":null,"id":"r-1/22-70700a","kind":"evict","node":["east","n-2"],"pod":["web","shop-1-7311d8"],"pod_uid":"c9e9c616612e7696a6cecc1b78e51061","rollout":"r-1","there":3,"uid":"uid-n-2","workload":"Deployment web/shop"}','887beb4e99158398f571546a2aee84ceca0c96ba163d70e899ca63496721d590','468d1ae9044a3f3ad186238167795ec91f48fabf166e3d35406c56553cb65113');
INSERT INTO "journal" VALUES(70,'2026-11-02T09:04:01.381381+00:00','fleet@vm/6209/255634',1,'outcome','evict','r-1','east/n-2','{"id":"r-1/22-70700a","result":"done"}','468d1ae9044a3f3ad186238167795ec91f48fabf166e3d35406c56553cb65113','871e1eb53b689b282314cbed9b51ed6e499bf7bfd0c79fb4431d80067398002d');
INSERT INTO "journal" VALUES(71,'2026-11-02T09:04:10.752972+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-2','{"boot_id":"boot-n-2","identity":["machine-n-2","",""],"to":"reboot","turn":"done"}','871e1eb53b689b282314cbed9b51ed6e499bf7bfd0c79fb4431d80067398002d','1c46b87176957f907e5cc34e0fdba943cccfbf62745e47d800df66fdbfd7db56');
INSERT INTO "journal" VALUES(72,'2026-11-02T09:04:10.752972+00:00','fleet@vm/6209/255634',1,'intent','reboot','r-1','east/n-2','{"boot_id":"boot-n-2","id":"r-1/23-70700a","kind":"reboot","node":["east","n-2"],"quorums":{},"release":{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","digests":[],"kernel":"6.12.9","kubelet":"","reference_digest":"","version":"44.20261101.3.0"},"rollout":"r-1","staying":[],"token":"r-1/n-2/reboot/0","uid":"uid-n-2"}','1c46b87176957f907e5cc34e0fdba943cccfbf62745e47d800df66fdbfd7db56','e0aad3f24cde71df5c6f4296a6f7184bf96a2586100cd9902bcdfda656b695fb');
INSERT INTO "journal" VALUES(73,'2026-11-02T09:04:21.025917+00:00','fleet@vm/6209/255634',1,'outcome','reboot','r-1','east/n-2','{"id":"r-1/23-70700a","result":"done"}','e0aad3f24cde71df5c6f4296a6f7184bf96a2586100cd9902bcdfda656b695fb','3ecafbe64ebd4a37c52fc613e11c10c3d82140783e2da710855f28a8cac236dd');
INSERT INTO "journal" VALUES(74,'2026-11-02T09:04:23.714516+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-1','{"to":"done","turn":"done"}','3ecafbe64ebd4a37c52fc613e11c10c3d82140783e2da710855f28a8cac236dd','f9b833202b29fe0a5a3698173e81144409e7015ad402fbfaf03b22e66163b7bc');
INSERT INTO "journal" VALUES(75,'2026-11-02T09:04:23.714516+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-3','{"to":"cordon","turn":"begin"}','f9b833202b29fe0a5a3698173e81144409e7015ad402fbfaf03b22e66163b7bc','2f94cb8991d808809dd2ca60e449a8769c50731adf4e17306b6e0015e3934e99');
INSERT INTO "journal" VALUES(76,'2026-11-02T09:04:23.714516+00:00','fleet@vm/6209/255634',1,'intent','cordon','r-1','east/n-3','{"id":"r-1/24-70700a","kind":"cordon","node":["east","n-3"],"rollout":"r-1","uid":"uid-n-3"}','2f94cb8991d808809dd2ca60e449a8769c50731adf4e17306b6e0015e3934e99','dd9f1f63e2bcc8f40564a493cb848d36e0d250c97afd2f15789056b8e08f7cb6');
INSERT INTO "journal" VALUES(77,'2026-11-02T09:04:23.714516+00:00','fleet@vm/6209/255634',1,'decision','timed','r-1','east/n-2','{"start":{"web/shop-1":[11516,9569,19641]},"stop":[12261,13728,11455]}','dd9f1f63e2bcc8f40564a493cb848d36e0d250c97afd2f15789056b8e08f7cb6','1c9234c64441e6ba2b39f65cc03bf5ef7b11ae53b932b900c8799a7521ca83c9');
INSERT INTO "journal" VALUES(78,'2026-11-02T09:04:35.439185+00:00','fleet@vm/6209/255634',1,'outcome','cordon','r-1','east/n-3','{"id":"r-1/24-70700a","result":"done"}','1c9234c64441e6ba2b39f65cc03bf5ef7b11ae53b932b900c8799a7521ca83c9','6593315d6dc9af79a11d131c3bc9a7e993e49a615bf94aab8bbf200c24cf24ef');
INSERT INTO "journal" VALUES(79,'2026-11-02T09:04:44.447683+00:00','fleet@vm/6209/255634',1,'decision','step','r-1','east/n-3','{"to":"drain","turn":"done"}','6593315d6dc9af79a11d131c3bc9a7e993e49a615bf94aab8bbf200c24cf24ef','7b5c9d21592bc610b7780ea74e9d4050314df110edba428c7c9f3c87d9645aba');
INSERT INTO "journal" VALUES(80,'2026-11-02T09:04:44.447683+00:00','fleet@vm/6209/255634',1,'intent','evict','r-1','east/n-3','{"asked":false,"grace_seconds":null,"id":"r-1/25-70700a","kind":"evict","node":["east","n-3"],"pod":["web","shop-1-3"],"pod_uid":"pod-shop-3","rollout":"r-1","there":2,"uid":"uid-n-3","workload":"Deployment web/shop"}','7b5c9d21592bc610b7780ea74e9d4050314df110edba428c7c9f3c87d9645aba','a3924a55b4cb4a02b680b3e8b7e47d4766483672e6470d84694cf5d91b625888');
CREATE TABLE lease (
	id INTEGER NOT NULL, 
	holder VARCHAR NOT NULL, 
	epoch BIGINT NOT NULL, 
	expires_at VARCHAR(32), 
	PRIMARY KEY (id)
);
INSERT INTO "lease" VALUES(1,'fleet@vm/6209/255634',1,'2026-11-30T22:00:32.808173+00:00');
CREATE TABLE machine (
	id INTEGER NOT NULL, 
	cluster VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	boot_id VARCHAR NOT NULL, 
	os VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	kernel VARCHAR NOT NULL, 
	since VARCHAR(32) NOT NULL, 
	fact TEXT NOT NULL, 
	state TEXT NOT NULL, 
	source VARCHAR NOT NULL, 
	valid_from VARCHAR(32) NOT NULL, 
	valid_to VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster) REFERENCES cluster (name)
);
INSERT INTO "machine" VALUES(1,'east','n-0','machine-n-0','boot-n-0','simulated','44.20261015.3.0','sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','6.11.4','2026-11-02T09:00:09.017545+00:00','{"boot_id":"boot-n-0","booted":{"version":"44.20261015.3.0","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","kernel":"6.11.4","kubelet":""},"kernel":"6.11.4","name":"n-0","os":"simulated","reported":true,"uid":"machine-n-0"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "machine" VALUES(2,'east','n-1','machine-n-1','boot-n-1','simulated','44.20261015.3.0','sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','6.11.4','2026-11-02T09:00:09.017545+00:00','{"boot_id":"boot-n-1","booted":{"version":"44.20261015.3.0","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","kernel":"6.11.4","kubelet":""},"kernel":"6.11.4","name":"n-1","os":"simulated","reported":true,"uid":"machine-n-1"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "machine" VALUES(3,'east','n-2','machine-n-2','boot-n-2','simulated','44.20261015.3.0','sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','6.11.4','2026-11-02T09:00:09.017545+00:00','{"boot_id":"boot-n-2","booted":{"version":"44.20261015.3.0","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","kernel":"6.11.4","kubelet":""},"kernel":"6.11.4","name":"n-2","os":"simulated","reported":true,"uid":"machine-n-2"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "machine" VALUES(4,'east','n-3','machine-n-3','boot-n-3','simulated','44.20261015.3.0','sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','6.11.4','2026-11-02T09:00:09.017545+00:00','{"boot_id":"boot-n-3","booted":{"version":"44.20261015.3.0","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","kernel":"6.11.4","kubelet":""},"kernel":"6.11.4","name":"n-3","os":"simulated","reported":true,"uid":"machine-n-3"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
CREATE TABLE maintenance (
	id INTEGER NOT NULL, 
	cluster VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	namespace VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	fact TEXT NOT NULL, 
	state TEXT NOT NULL, 
	source VARCHAR NOT NULL, 
	valid_from VARCHAR(32) NOT NULL, 
	valid_to VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster) REFERENCES cluster (name)
);
CREATE TABLE node (
	id INTEGER NOT NULL, 
	cluster VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	boot_id VARCHAR NOT NULL, 
	os_image VARCHAR NOT NULL, 
	kernel VARCHAR NOT NULL, 
	kubelet VARCHAR NOT NULL, 
	since VARCHAR(32) NOT NULL, 
	fact TEXT NOT NULL, 
	state TEXT NOT NULL, 
	source VARCHAR NOT NULL, 
	valid_from VARCHAR(32) NOT NULL, 
	valid_to VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster) REFERENCES cluster (name)
);
INSERT INTO "node" VALUES(1,'east','n-0','uid-n-0','boot-n-0','Simulated OS 44.20261015.3.0','6.11.4','v1.36.3','2026-11-02T09:00:09.017545+00:00','{"allocatable":{"cpu":8000,"memory":34359738368,"pods":110,"storage":0,"others":[]},"boot_id":"boot-n-0","kernel":"6.11.4","kubelet":"v1.36.3","labels":{"pool":"workers","topology.kubernetes.io/zone":"a"},"machine_id":"machine-n-0","name":"n-0","os_image":"Simulated OS 44.20261015.3.0","uid":"uid-n-0"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "node" VALUES(2,'east','n-1','uid-n-1','boot-n-1','Simulated OS 44.20261015.3.0','6.11.4','v1.36.3','2026-11-02T09:00:09.017545+00:00','{"allocatable":{"cpu":8000,"memory":34359738368,"pods":110,"storage":0,"others":[]},"boot_id":"boot-n-1","kernel":"6.11.4","kubelet":"v1.36.3","labels":{"pool":"workers","topology.kubernetes.io/zone":"b"},"machine_id":"machine-n-1","name":"n-1","os_image":"Simulated OS 44.20261015.3.0","uid":"uid-n-1"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "node" VALUES(3,'east','n-2','uid-n-2','boot-n-2','Simulated OS 44.20261015.3.0','6.11.4','v1.36.3','2026-11-02T09:00:09.017545+00:00','{"allocatable":{"cpu":8000,"memory":34359738368,"pods":110,"storage":0,"others":[]},"boot_id":"boot-n-2","kernel":"6.11.4","kubelet":"v1.36.3","labels":{"pool":"workers","topology.kubernetes.io/zone":"c"},"machine_id":"machine-n-2","name":"n-2","os_image":"Simulated OS 44.20261015.3.0","uid":"uid-n-2"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "node" VALUES(4,'east','n-3','uid-n-3','boot-n-3','Simulated OS 44.20261015.3.0','6.11.4','v1.36.3','2026-11-02T09:00:09.017545+00:00','{"allocatable":{"cpu":8000,"memory":34359738368,"pods":110,"storage":0,"others":[]},"boot_id":"boot-n-3","kernel":"6.11.4","kubelet":"v1.36.3","labels":{"pool":"workers","topology.kubernetes.io/zone":"a"},"machine_id":"machine-n-3","name":"n-3","os_image":"Simulated OS 44.20261015.3.0","uid":"uid-n-3"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
CREATE TABLE "plan" (
	id VARCHAR NOT NULL, 
	start VARCHAR(32) NOT NULL, 
	summary TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE pod (
	id INTEGER NOT NULL, 
	cluster VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	namespace VARCHAR NOT NULL, 
	node VARCHAR NOT NULL, 
	fact TEXT NOT NULL, 
	state TEXT NOT NULL, 
	source VARCHAR NOT NULL, 
	valid_from VARCHAR(32) NOT NULL, 
	valid_to VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster) REFERENCES cluster (name)
);
INSERT INTO "pod" VALUES(1,'east','shop-1-0','pod-shop-0','web','n-0','{"labels":{"app":"shop"},"name":"shop-1-0","namespace":"web","node":"n-0","owner":{"kind":"ReplicaSet","name":"shop-1","uid":"rs-shop"},"requests":{"cpu":100,"memory":134217728,"pods":1,"storage":0,"others":[]},"uid":"pod-shop-0"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "pod" VALUES(2,'east','shop-1-1','pod-shop-1','web','n-1','{"labels":{"app":"shop"},"name":"shop-1-1","namespace":"web","node":"n-1","owner":{"kind":"ReplicaSet","name":"shop-1","uid":"rs-shop"},"requests":{"cpu":100,"memory":134217728,"pods":1,"storage":0,"others":[]},"uid":"pod-shop-1"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "pod" VALUES(3,'east','shop-1-2','pod-shop-2','web','n-2','{"labels":{"app":"shop"},"name":"shop-1-2","namespace":"web","node":"n-2","owner":{"kind":"ReplicaSet","name":"shop-1","uid":"rs-shop"},"requests":{"cpu":100,"memory":134217728,"pods":1,"storage":0,"others":[]},"uid":"pod-shop-2"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "pod" VALUES(4,'east','shop-1-3','pod-shop-3','web','n-3','{"labels":{"app":"shop"},"name":"shop-1-3","namespace":"web","node":"n-3","owner":{"kind":"ReplicaSet","name":"shop-1","uid":"rs-shop"},"requests":{"cpu":100,"memory":134217728,"pods":1,"storage":0,"others":[]},"uid":"pod-shop-3"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "pod" VALUES(5,'east','shop-1-4','pod-shop-4','web','n-0','{"labels":{"app":"shop"},"name":"shop-1-4","namespace":"web","node":"n-0","owner":{"kind":"ReplicaSet","name":"shop-1","uid":"rs-shop"},"requests":{"cpu":100,"memory":134217728,"pods":1,"storage":0,"others":[]},"uid":"pod-shop-4"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "pod" VALUES(6,'east','shop-1-5','pod-shop-5','web','n-1','{"labels":{"app":"shop"},"name":"shop-1-5","namespace":"web","node":"n-1","owner":{"kind":"ReplicaSet","name":"shop-1","uid":"rs-shop"},"requests":{"cpu":100,"memory":134217728,"pods":1,"storage":0,"others":[]},"uid":"pod-shop-5"}','{}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
CREATE TABLE quorum (
	id INTEGER NOT NULL, 
	cluster VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	fact TEXT NOT NULL, 
	state TEXT NOT NULL, 
	source VARCHAR NOT NULL, 
	valid_from VARCHAR(32) NOT NULL, 
	valid_to VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster) REFERENCES cluster (name)
);
CREATE TABLE setting (
	"key" VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE signed_checkpoint (
	seq BIGINT NOT NULL, 
	"key" VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	signature VARCHAR NOT NULL, 
	PRIMARY KEY (seq, "key")
);
CREATE TABLE site (
	name VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "site" VALUES('fra');
CREATE TABLE workload (
	id INTEGER NOT NULL, 
	cluster VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	namespace VARCHAR NOT NULL, 
	fact TEXT NOT NULL, 
	state TEXT NOT NULL, 
	source VARCHAR NOT NULL, 
	valid_from VARCHAR(32) NOT NULL, 
	valid_to VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster) REFERENCES cluster (name)
);
INSERT INTO "workload" VALUES(1,'east','shop','d-shop','Deployment','web','{"kind":"Deployment","name":"shop","namespace":"web","uid":"d-shop"}','{"ready":6,"replicas":6}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
INSERT INTO "workload" VALUES(2,'east','shop-1','rs-shop','ReplicaSet','web','{"kind":"ReplicaSet","name":"shop-1","namespace":"web","owner":{"kind":"Deployment","name":"shop","uid":"d-shop"},"uid":"rs-shop"}','{"ready":6,"replicas":6}','watch','2026-11-02T09:00:09.017545+00:00',NULL);
CREATE UNIQUE INDEX node_now ON node (cluster, name) WHERE valid_to IS NULL;
CREATE INDEX node_then ON node (cluster, name, valid_from);
CREATE UNIQUE INDEX machine_now ON machine (cluster, name) WHERE valid_to IS NULL;
CREATE INDEX machine_then ON machine (cluster, name, valid_from);
CREATE UNIQUE INDEX pod_now ON pod (cluster, namespace, name) WHERE valid_to IS NULL;
CREATE INDEX pod_then ON pod (cluster, namespace, name, valid_from);
CREATE INDEX pod_node ON pod (cluster, node) WHERE valid_to IS NULL;
CREATE UNIQUE INDEX budget_now ON budget (cluster, namespace, name) WHERE valid_to IS NULL;
CREATE INDEX budget_then ON budget (cluster, namespace, name, valid_from);
CREATE UNIQUE INDEX workload_now ON workload (cluster, kind, namespace, name) WHERE valid_to IS NULL;
CREATE INDEX workload_then ON workload (cluster, kind, namespace, name, valid_from);
CREATE INDEX journal_rollout ON journal (rollout, seq);
CREATE INDEX journal_node ON journal (node, seq);
CREATE INDEX held_node ON held (node);
CREATE UNIQUE INDEX quorum_now ON quorum (cluster, name) WHERE valid_to IS NULL;
CREATE INDEX quorum_then ON quorum (cluster, name, valid_from);
CREATE UNIQUE INDEX maintenance_now ON maintenance (cluster, kind, namespace, name) WHERE valid_to IS NULL;
CREATE INDEX maintenance_then ON maintenance (cluster, kind, namespace, name, valid_from);
CREATE INDEX node_ended ON node (valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX machine_ended ON machine (valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX pod_ended ON pod (valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX budget_ended ON budget (valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX workload_ended ON workload (valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX quorum_ended ON quorum (valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX maintenance_ended ON maintenance (valid_to) WHERE valid_to IS NOT NULL;
COMMIT;
