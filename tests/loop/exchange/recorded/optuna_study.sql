-- Made by Optuna 5.0.0 itself (two studies, RandomSampler), dumped by sqlite3.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'slurry');
INSERT INTO "studies" VALUES(2,'two');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MAXIMIZE',2,0);
INSERT INTO "study_directions" VALUES(3,'MINIMIZE',2,1);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["life"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,5,1,5.0,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'gap',8.92341808934890567961e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,1,'rate',1.44868338872393420668e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(3,1,'passes',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 5}}');
INSERT INTO "trial_params" VALUES(4,1,'binder',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["PVDF", "CMC"]}}');
INSERT INTO "trial_params" VALUES(5,1,'load',0.0,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(6,2,'gap',4.53894401617574660967e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(7,2,'rate',1.08813350036358821859e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(8,2,'passes',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 5}}');
INSERT INTO "trial_params" VALUES(9,2,'binder',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["PVDF", "CMC"]}}');
INSERT INTO "trial_params" VALUES(10,2,'load',0.75,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(11,3,'gap',4.88459274489883132908e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(12,3,'rate',4.30876004783912858187e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(13,3,'passes',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 5}}');
INSERT INTO "trial_params" VALUES(14,3,'binder',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["PVDF", "CMC"]}}');
INSERT INTO "trial_params" VALUES(15,3,'load',0.5,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(16,4,'gap',3.66735183330944125579e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(17,4,'rate',3.92920300262394710244e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(18,4,'passes',5.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 5}}');
INSERT INTO "trial_params" VALUES(19,4,'binder',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["PVDF", "CMC"]}}');
INSERT INTO "trial_params" VALUES(20,4,'load',0.75,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(21,5,'gap',1.7651393893624727216e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(22,5,'rate',4.82858621855446257242e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(23,5,'passes',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 5}}');
INSERT INTO "trial_params" VALUES(24,5,'binder',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["PVDF", "CMC"]}}');
INSERT INTO "trial_params" VALUES(25,5,'load',1.0,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(26,6,'gap',2.86858984282795215214e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(27,6,'rate',1.83367715789036281326e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(28,6,'passes',5.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 5}}');
INSERT INTO "trial_params" VALUES(29,6,'binder',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["PVDF", "CMC"]}}');
INSERT INTO "trial_params" VALUES(30,6,'load',0.25,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(31,7,'gap',1.40435176259500904549e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.1, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(32,7,'rate',3.19063419751342058905e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(33,7,'passes',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 5}}');
INSERT INTO "trial_params" VALUES(34,7,'binder',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["PVDF", "CMC"]}}');
INSERT INTO "trial_params" VALUES(35,7,'load',0.75,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(36,9,'x',0.417022004702574,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(37,9,'y',7.20324493442158098055e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(38,10,'x',1.1437481734488663676e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(39,10,'y',3.02332572631839768817e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(40,11,'x',1.46755890817113043844e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(41,11,'y',0.0923385947687978,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(42,12,'x',1.86260211377670903409e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(43,12,'y',3.45560727043047744011e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,8,'fixed_params','{"gap": 0.5}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,8.10765819106511,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,8.29610559838242522801e+00,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,9.01154072551011608993e+00,'FINITE');
INSERT INTO "trial_values" VALUES(4,5,0,5.0,'FINITE');
INSERT INTO "trial_values" VALUES(5,6,0,5.96314101571720556194e+00,'FINITE');
INSERT INTO "trial_values" VALUES(6,7,0,9.34564823740499,'FINITE');
INSERT INTO "trial_values" VALUES(7,9,0,0.417022004702574,'FINITE');
INSERT INTO "trial_values" VALUES(8,9,1,7.20324493442158098055e-01,'FINITE');
INSERT INTO "trial_values" VALUES(9,10,0,1.1437481734488663676e-04,'FINITE');
INSERT INTO "trial_values" VALUES(10,10,1,3.02332572631839768817e-01,'FINITE');
INSERT INTO "trial_values" VALUES(11,11,0,1.46755890817113043844e-01,'FINITE');
INSERT INTO "trial_values" VALUES(12,11,1,0.0923385947687978,'FINITE');
INSERT INTO "trial_values" VALUES(13,12,0,1.86260211377670903409e-01,'FINITE');
INSERT INTO "trial_values" VALUES(14,12,1,3.45560727043047744011e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-12-01 08:14:11.138067','2026-12-01 08:14:11.596861');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-12-01 08:14:11.653347','2026-12-01 08:14:11.772922');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-12-01 08:14:11.781619','2026-12-01 08:14:11.814194');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-12-01 08:14:11.882566','2026-12-01 08:14:11.979414');
INSERT INTO "trials" VALUES(5,4,1,'PRUNED','2026-12-01 08:14:11.983671','2026-12-01 08:14:12.000968');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-12-01 08:14:12.004689','2026-12-01 08:14:12.024830');
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-12-01 08:14:12.041682','2026-12-01 08:14:12.128697');
INSERT INTO "trials" VALUES(8,7,1,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(9,0,2,'COMPLETE','2026-12-01 08:14:12.550190','2026-12-01 08:14:12.766121');
INSERT INTO "trials" VALUES(10,1,2,'COMPLETE','2026-12-01 08:14:12.824355','2026-12-01 08:14:13.133369');
INSERT INTO "trials" VALUES(11,2,2,'COMPLETE','2026-12-01 08:14:13.183950','2026-12-01 08:14:13.357456');
INSERT INTO "trials" VALUES(12,3,2,'COMPLETE','2026-12-01 08:14:13.382107','2026-12-01 08:14:13.561690');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
