// Everything the console says, in English and in Chinese; and the names and units of what devices report.

const WORDS = {
  skip: ["Skip to the warnings", "跳到预警列表"],
  maphelp: ["Map. Arrow keys move it, plus and minus zoom, 0 shows the whole city.", "地图。方向键移动，加减键缩放，0 键显示全城。"],
  map: ["Map", "地图"], zoomin: ["Zoom in", "放大"], zoomout: ["Zoom out", "缩小"], fit: ["Whole city", "全城"], sectors: ["What cameras see", "摄像机视野"], labels: ["Names", "名称"],
  drawZone: ["Draw a zone", "绘制区域"], drawZoneHow: ["Click the corners on the map (pull them, or click an edge for one more), or write them below, a line each. The change of zones.geojson is shown before it is written.", "在地图上点击各顶点（可拖动，点击边线可增加），或在下方逐行填写经纬度。写入前先显示 zones.geojson 的改动。"], zoneCorners: ["longitude, latitude", "经度, 纬度"], zones: ["Zones", "区域"],
  zone_zone: ["Id", "编号"], zone_name: ["Name", "名称"], zone_kind: ["Kind", "类型"], zone_speed_limit_kmh: ["Speed limit, km/h", "限速 km/h"], undoCorner: ["Corner away", "删除顶点"], nextCorner: ["Next corner", "下一顶点"], halveEdge: ["Corner more", "增加顶点"], corner: ["Corner", "顶点"], reshapeZone: ["Reshape", "修改形状"], removeZone: ["Remove", "删除"], reshapeZoneHow: ["Pull corners; click an edge for one more. Keys on the map: n and p choose a corner, arrows move it (with Shift finely), i adds one behind it, Delete takes it away. The change is shown before it is written.", "拖动顶点；点击边线增加顶点。地图上的按键：n、p 选择顶点，方向键移动（按住 Shift 微调），i 在其后增加，Delete 删除。写入前先显示改动。"], zoneIncomplete: ["An id and three corners are needed.", "需要编号和至少三个顶点。"], zoneHolds: ["Written; rules go by it from now on.", "已写入，规则即刻生效。"],
  air: ["Environment", "环境"], airNow: ["Index now", "实时指数"], airYesterday: ["Above the standard yesterday", "昨日超标"], airMonth: ["Month by classes", "月历（按级别）"], airStation: ["Station", "站点"], airUnknown: ["not enough data", "数据不足"], airNoneAbove: ["No station.", "无站点超标。"], airCapture: ["data capture", "数据获取率"], airCompared: ["Stations side by side", "站点对比"], airDaysAbove: ["days above / with an index", "超标 / 有效天数"], airComparedNote: ["Means of the month's days that have a value; ozone by its highest 8 hours.", "本月有效日值的算术平均；臭氧为日最大8小时平均。"],
  roses: ["Where the wind came from", "风向玫瑰图"], windRose: ["Wind rose", "风玫瑰图"], pollutionRose: ["Pollution rose", "污染玫瑰图"], windOf: ["Wind of", "风数据来自"], noWind: ["No wind is known here in this time.", "此时段无风数据。"], hoursOf: ["hours", "小时"], calm: ["calm", "静风"], mostFrom: ["most often from", "主导风向"], windFrom: ["from", "风向"], shareOf: ["share of the hours", "频率"], meanOf: ["mean", "平均"],
  north: ["N", "北"], east: ["E", "东"], south: ["S", "南"], west: ["W", "西"],
  rivers: ["Rivers and their stages", "河道水位与特征水位"], stage_warning: ["warning stage", "警戒水位"], stage_guaranteed: ["guaranteed stage", "保证水位"], stage_record: ["record", "历史最高"], above: ["above", "超"], nolevel: ["no level lately", "近期无水位"], nostages: ["no stages in the registry", "未登记特征水位"], expectedAt: ["Expected at", "预计达到"], minutes: ["min", "分钟"],
  class_1: ["excellent", "优"], class_2: ["good", "良"], class_3: ["light pollution", "轻度污染"], class_4: ["moderate pollution", "中度污染"], class_5: ["heavy pollution", "重度污染"], class_6: ["severe pollution", "严重污染"],
  fleet: ["Fleet", "车队"], fleetNow: ["Now", "当前"], fleetDay: ["Day of the city", "按日报表"], novehicles: ["No vehicles.", "无车辆。"],
  is_moving: ["moving", "行驶"], is_idling: ["idling", "怠速"], is_parked: ["parked", "停放"], is_offline: ["offline", "离线"],
  fleet_name: ["vehicle", "车辆"], fleet_trips: ["trips", "行程"], fleet_distance_km: ["km", "里程 km"], fleet_moving_h: ["moving, h", "行驶 h"], fleet_idling_h: ["idling, h", "怠速 h"], fleet_standing_h: ["standing, h", "停车 h"], fleet_fastest_kmh: ["fastest, km/h", "最高 km/h"], fleet_first_start: ["first start", "首次出发"], fleet_last_end: ["last end", "最后到达"], fleet_fuel_l: ["fuel, L", "油耗 L"],
  warnings: ["Warnings", "预警"], devices: ["Devices", "设备"], hub: ["Hub", "中枢"], quarantine: ["Quarantine", "隔离区"],
  live: ["live", "实时"], polling: ["asking every few seconds", "轮询中"], lost: ["no connection to the hub", "与中枢失去连接"],
  toLight: ["Light", "浅色"], toDark: ["Dark", "深色"], language: ["中文", "English"], languageTitle: ["改用中文", "Switch to English"],
  alarmLost: ["No connection to the hub", "与中枢失去连接"], alarmNever: ["Not connected to the hub yet", "尚未连接中枢"], alarmSince: ["What is shown below is from", "以下内容截至"], stop: [". ", "。"], alarmMissing: ["New warnings do not reach this page.", "新预警无法到达本页。"],
  alarmIll: ["The hub is not well: warnings may be missing or late", "中枢异常：预警可能缺失或延迟"], titleLost: ["NO CONNECTION", "失去连接"], titleIll: ["HUB NOT WELL", "中枢异常"],
  unsure: ["Whether there are warnings is not known", "未知是否有预警"], unheard: ["Not everything is heard:", "部分来源无数据："], parts: ["Parts that are not well", "异常部件"],
  allcalm: ["All calm", "一切平静"], nowarnings: ["No open warnings.", "当前没有预警。"], lately: ["Cleared lately", "最近解除"],
  range: ["Range", "时间范围"], range_30min: ["30 min", "30分"], range_6h: ["6 h", "6时"], range_1d: ["1 day", "1天"], range_7d: ["7 days", "7天"], range_30d: ["30 days", "30天"], range_1y: ["1 year", "1年"], range_2y: ["2 years", "2年"],
  table: ["Table", "表格"], quality: ["quality", "质量"], doubtful: ["values of doubtful quality (orange)", "个存疑数据（橙色）"], trips: ["Trips of the last day", "近一天行程"], notrips: ["No trips.", "无行程。"], play: ["Play", "播放"], pause: ["Pause", "暂停"], playbackTime: ["Time in the trip", "行程时刻"], playbackRate: ["Times faster", "播放倍速"], idling: ["idling", "怠速"],
  deadletters: ["refused for good", "条被永久拒收"], since: ["since", "始于"], readletters: ["Read them", "查看"], takenout: ["taken out", "已撤除"], offered: ["offered again", "重新投递"], nowtaken: ["taken", "已接收"],
  rules: ["rules", "规则"], destinations: ["Destinations", "送达目标"], testsend: ["Send a test", "测试发送"], testtaken: ["It took the exercise.", "已接收演练消息。"], testfailed: ["It did not take the exercise:", "未接收演练消息："], retry: ["Try again", "重试"], stored: ["stored", "已存"], waitingFor: ["waiting", "等待"],
  mark_stopped: ["stopped", "停运"], mark_maintenance: ["maintenance", "维护"], mark_manual: ["entered by hand", "人工录入"], mark_fault: ["fault", "故障"], mark_calibration: ["calibration", "校准"], "mark_over-range": ["over range", "超量程"], mark_comms: ["connection lost", "通信中断"], mark_invalid: ["invalid", "无效"], mark_estimated: ["estimated", "估算"], mark_suspect: ["suspect", "可疑"], mark_fail: ["failed a test of quality", "未通过质量检验"], mark_missing: ["missing", "缺测"],
  at: ["at", "时"], present: ["now", "现在"], stream: ["Live picture", "实时画面"], nocurve: ["No curve can be drawn:", "无法绘制曲线："], unbuilt: ["Newest values (curves come with make console)", "最近数值（曲线需 make console）"],
  shelve: ["Shelve", "搁置"], unshelve: ["Unshelve", "取消搁置"], work: ["Maintenance", "维护"], undo: ["Undo", "撤销"], close: ["Close", "关闭"],
  will_acknowledge: ["Will be acknowledged in", "即将确认，剩余"], will_shelve: ["Will be shelved in", "即将搁置，剩余"], will_unshelve: ["Will be unshelved in", "即将取消搁置，剩余"], will_maintenance: ["Maintenance will begin in", "即将开始维护，剩余"],
  comment: ["Comment", "备注说明"], falseAlarm: ["False alarm", "误报"], noFalseAlarm: ["No false alarm after all", "撤销误报标记"], nextcall: ["If nobody answers, the next contact is called in", "若无人应答，呼叫下一联系人倒计时"], dueNow: ["now", "即将"],
  "will_comment": ["Will be commented in", "即将写入备注，剩余"], "will_false-alarm": ["Will be marked as a false alarm in", "即将标记为误报，剩余"], "will_no-false-alarm": ["The mark will be taken back in", "即将撤销误报标记，剩余"],
  "noted_comment": ["comment", "备注"], "noted_false-alarm": ["marked as a false alarm", "标记为误报"], "noted_no-false-alarm": ["mark of a false alarm taken back", "撤销误报标记"],
  handoverWrite: ["Note for the next shift", "交接班留言"], handoverText: ["What the next shift should know", "下一班需要知道的事项"], handoverLeave: ["Leave it", "留言"], handoverLeft: ["Left for this shift", "上一班留言"], handoverRead: ["I have read it", "已阅"],
  picture: ["Picture now", "当前画面"], nopicture: ["No picture:", "无法获取画面："],
  decode: ["Decode", "解码"], decoded: ["Read by", "解析协议"], wouldRead: ["what would be read", "可读出"], nothingRead: ["nothing would be read", "无可读数据"], frameFields: ["fields of the frame", "报文字段"],
  kind_frame: ["no frame", "无有效报文"], kind_oversize: ["too long", "超长"], kind_truncated: ["cut short", "不完整"], kind_checksum: ["checksum wrong", "校验错误"], kind_syntax: ["against the protocol", "格式错误"], kind_unsupported: ["not supported", "不支持"], kind_encrypted: ["encrypted", "已加密"], kind_incomplete: ["a part never came", "分包缺失"],
  "kind_unknown-device": ["unknown device", "未登记设备"], kind_unauthorised: ["not authorised", "未授权"], "kind_unknown-metric": ["unknown metric", "未知指标"], kind_value: ["value not usable", "数值无效"], kind_time: ["time not usable", "时间无效"], kind_position: ["position not usable", "位置无效"], kind_rate: ["too many", "超出限速"], kind_loop: ["came round in a circle", "循环转发"],
  part_log: ["log", "日志"], part_store: ["store", "存储"], part_rules: ["rules", "规则引擎"], part_rule: ["rule", "规则"], part_reader: ["reader", "日志读者"], part_ticker: ["clock for the rules", "规则时钟"], part_api: ["API", "接口"], part_adapter: ["adapter", "接入"], part_destination: ["destination", "送达目标"], part_rollups: ["rollups", "汇总"], part_telemetry: ["telemetry", "自监测"], part_housekeeping: ["housekeeping", "内务"], part_watch: ["watch", "监视"], part_users: ["users", "用户"], part_delivery: ["delivery", "送达"], part_reports: ["reports", "报表"], part_role: ["role", "职责"], part_machines: ["machines", "各机器"], part_parts: ["number of parts of the rules", "规则分区数"], part_nodes: ["what machines tell each other", "机器互报"], part_books: ["books", "账目"], part_trips: ["trips", "行程"],
  stream_events: ["events", "事件"], stream_derived: ["derived", "衍生"], stream_alerts: ["warnings", "预警"], stream_quarantine: ["quarantine", "隔离"], stream_live: ["the present", "实时"],
  refusal_400: ["It was not understood.", "请求内容有误。"], refusal_401: ["Who you are is not known; log in.", "身份未确认，请登录。"], refusal_403: ["You may not do this.", "无权执行此操作。"], refusal_404: ["It is not there (any more).", "目标不存在或已消失。"], refusal_409: ["As things stand this cannot be done.", "当前状态下无法执行。"], refusal_413: ["It is too long.", "内容过长。"], refusal_429: ["Too often; wait a little.", "操作过于频繁，请稍候。"], refusal_500: ["The hub failed over it.", "中枢处理出错。"], refusal_502: ["What the hub asked did not answer well.", "被询问的设备未正常应答。"], refusal_503: ["The hub cannot do it now; try again soon.", "中枢暂时无法执行，请稍后再试。"],
  by_area: ["Any area", "全部区域"], by_pack: ["Any rules", "全部规则"], by_kind: ["Any kind", "全部类型"], hiddenSome: ["more are hidden; show all", "条被隐藏；显示全部"],
  sound_off: ["Sound is off. Turn it on and hear it", "声音已关闭。点击开启并试听"], sound_on: ["Sound is on. Mute", "声音已开启。点击静音"], sound_blocked: ["Sound waits for a click in this page", "点击页面后声音才会生效"], titleAlarm: ["cityhub: warning", "cityhub：预警"],
  keys: ["Keys", "快捷键"], key_next: ["next warning", "下一条预警"], key_before: ["warning before", "上一条预警"], key_shelve: ["shelve for an hour", "搁置一小时"], key_work: ["plan maintenance", "计划维护"], key_close: ["close the card", "关闭卡片"], key_tabs: ["tabs", "标签页"],
  acknowledge: ["Acknowledge", "确认"], who: ["Your name", "您的姓名"], note: ["Note", "备注"], acknowledgedBy: ["acknowledged by", "已确认："], shelved: ["shelved until", "搁置至"],
  cameras: ["Cameras that look at it", "可见摄像机"], nocamera: ["No camera is near.", "附近没有摄像机。"], handover: ["Who will see it next", "接续摄像机"], nobody: ["nobody sees it", "无可见摄像机"], history: ["History", "经过"], upwind: ["Who lies upwind", "上风向可能来源"], sees: ["sees it", "可见"], blind: ["nearby, does not see it", "附近，不可见"],
  raised: ["raised", "发布"], escalated: ["escalated", "升级"], lowered: ["lowered", "降级"], cleared: ["cleared", "解除"], acknowledged: ["acknowledged", "确认"], unshelved: ["unshelved", "取消搁置"], expired: ["expired", "过期"], called: ["next contact called", "呼叫下一联系人"],
  shelvedChange: ["shelved", "搁置"],
  blue: ["Blue", "蓝色"], yellow: ["Yellow", "黄色"], orange: ["Orange", "橙色"], red: ["Red", "红色"],
  search: ["Find a device …", "查找设备……"], nodevices: ["No device has reported yet.", "尚无设备上报。"], shown: ["shown; narrow the search to see others", "条已显示；请缩小搜索范围"],
  observed: ["observed", "观测时间"], adapter: ["adapter", "接入"], readings: ["readings", "条读数"], skew: ["clock or delay", "时钟偏差或延迟"], unregistered: ["not in the registry", "未登记"],
  lasthalfhour: ["last 30 min", "最近30分钟"], nohistory: ["No stored history yet.", "暂无历史数据。"],
  balances: ["The ledger balances", "账目平衡"], unbalanced: ["The ledger does not balance", "账目不平衡"], ledgerline: ["received = stored + waiting + quarantined + duplicate", "接收 = 已存 + 待存 + 隔离 + 重复"],
  maintenance: ["Maintenance: no warnings from", "维护中，不发预警"], active: ["now", "进行中"], planned: ["planned", "计划"], again: ["again and again", "周期重复"],
  adapters: ["Adapters", "接入"], readers: ["Readers of the log", "日志读者"], log: ["Log", "日志"], persecond: ["/s", "/秒"],
  received: ["received", "接收"], logged: ["logged", "入日志"], quarantined: ["quarantined", "隔离"], duplicate: ["duplicate", "重复"], refused: ["refused", "拒收"], storerefused: ["refused by the store", "存储拒收"], replaced: ["replaced", "被替换"], allmachines: ["All machines", "全部机器"], inflight: ["in flight", "途中"], behind: ["behind", "落后"], caughtup: ["caught up", "无积压"], required: ["required", "必需"], entries: ["entries", "条"],
  up: ["up", "正常"], down: ["down", "中断"], degraded: ["degraded", "降级"], starting: ["starting", "启动中"], ended: ["failed", "失效"],
  clean: ["Nothing in quarantine", "隔离区为空"], cleanline: ["Every frame could be used.", "所有报文均可使用。"], unknowns: ["Unknown devices that knocked", "未登记而上报的设备"], times: ["times", "次"],
  admit: ["Admit …", "接纳……"], refuse: ["Refuse", "拒绝"], refuseNoMore: ["Refuse no more", "取消拒绝"], refusedBy: ["refused", "已拒绝"], showLine: ["Show the change", "查看改动"], writeLine: ["Write this line", "写入此行"], lineOf: ["line", "行"], mapMiddle: ["Middle of the map", "取地图中心"], writtenNotTaken: ["It is written, but the city's folder has mistakes, so it does not hold yet:", "已写入，但城市目录有错误，尚未生效："],
  field_name: ["Name", "名称"], field_kind: ["Kind", "类型"], field_area: ["Area", "区域"], field_lon: ["Longitude", "经度"], field_lat: ["Latitude", "纬度"], newest: ["Newest input that could not be used", "最近无法使用的输入"],
  token: ["This hub asks for a token.", "此中枢需要令牌。"], login: ["Log in", "登录"], loginAt: ["Log in by", "登录方式："], logout: ["log out", "退出"], user: ["User", "用户名"], password: ["Password", "密码"], enter: ["Enter", "进入"], failed: ["That did not work:", "操作失败："], rate: ["readings", "读数"],
  ago_s: ["s", "秒"], ago_m: ["min", "分"], ago_h: ["h", "小时"], ago_d: ["days", "天"], camera: ["camera", "摄像机"], away: ["away", ""],
};

export const KINDS = {
  "air-station": ["Air station", "空气站"], "weather-station": ["Weather station", "气象站"], "rain-gauge": ["Rain gauge", "雨量站"], "river-gauge": ["River gauge", "水文站"],
  "underpass-gauge": ["Underpass gauge", "下穿积水点"], "tide-gauge": ["Tide gauge", "潮位站"], "dam-sensor": ["Dam", "大坝"], "bridge-sensor": ["Bridge", "桥梁"],
  "landslide-station": ["Slope station", "滑坡监测"], seismometer: ["Seismometer", "地震台"], "water-plant": ["Waterworks", "水厂"], "water-network": ["Water mains", "供水管网"],
  "sewage-plant": ["Sewage works", "污水厂"], outfall: ["Outfall", "排口"], substation: ["Substation", "变电站"], "gas-detector": ["Gas detector", "燃气探测"], pump: ["Pump", "水泵"],
  machine: ["Machine", "设备"], "fire-panel": ["Fire panel", "消防主机"], vehicle: ["Vehicle", "车辆"], bus: ["Bus", "公交车"], "hazmat-truck": ["Hazmat truck", "危化品车"], phone: ["Phone", "手机"], vessel: ["Vessel", "船舶"],
};

export const FAMILIES = {
  water: { colour: "#4aa8ff", kinds: ["rain-gauge", "river-gauge", "underpass-gauge", "tide-gauge", "dam-sensor"], words: ["Rain and rivers", "雨水情"] },
  air: { colour: "#b892ff", kinds: ["air-station", "weather-station"], words: ["Air and weather", "空气气象"] },
  works: { colour: "#f2c14e", kinds: ["water-plant", "water-network", "sewage-plant", "outfall", "substation", "pump", "machine"], words: ["Works", "水电设施"] },
  danger: { colour: "#ff7a68", kinds: ["gas-detector", "fire-panel"], words: ["Gas and fire", "燃气消防"] },
  ground: { colour: "#c59d7a", kinds: ["bridge-sensor", "landslide-station", "seismometer"], words: ["Ground, bridges", "地质桥梁"] },
  road: { colour: "#58d68d", kinds: ["vehicle", "bus", "hazmat-truck", "phone"], words: ["Vehicles", "车辆"] },
  sea: { colour: "#5ce1e6", kinds: ["vessel"], words: ["Vessels", "船舶"] },
  other: { colour: "#9fb3c4", kinds: [], words: ["Other", "其他"] },
};
/** @type {Map<string, string>} */
const FAMILY_OF = new Map(Object.entries(FAMILIES).flatMap(([name, family]) => family.kinds.map((kind) => /** @type {[string, string]} */ ([kind, name]))));

const METRICS = {
  water_depth: ["water", "水深", "m"], water_level: ["level", "水位", "m"], water_flow: ["flow", "流量", "m³/s"], rain_intensity: ["rain", "雨强", "mm/h"], rainfall: ["rain", "雨量", "mm"], rainfall_total: ["rain counter", "累计雨量", "mm"],
  pm25: ["PM2.5", "PM2.5", "µg/m³"], pm10: ["PM10", "PM10", "µg/m³"], so2: ["SO₂", "SO₂", "µg/m³"], no2: ["NO₂", "NO₂", "µg/m³"], o3: ["O₃", "O₃", "µg/m³"], co: ["CO", "CO", "mg/m³"], voc: ["organic vapours", "挥发性有机物", "µg/m³"], nh3: ["NH₃", "NH₃", "µg/m³"], aqi: ["AQI", "AQI", ""],
  wind_speed: ["wind", "风速", "m/s"], wind_direction: ["wind from", "风向", "°"], air_temperature: ["air", "气温", "°C"], relative_humidity: ["humidity", "湿度", "%"], air_pressure: ["pressure", "气压", "hPa"], visibility: ["visibility", "能见度", "m"],
  ph: ["pH", "pH", ""], turbidity: ["turbidity", "浊度", "NTU"], free_chlorine: ["chlorine", "余氯", "mg/L"], conductivity: ["conductivity", "电导率", "µS/cm"], water_temperature: ["water", "水温", "°C"], cod: ["COD", "COD", "mg/L"], ammonia_nitrogen: ["ammonia N", "氨氮", "mg/L"], total_phosphorus: ["total P", "总磷", "mg/L"],
  methane_lel: ["gas", "可燃气", "%LEL"], oxygen: ["oxygen", "氧气", "%"], h2s: ["H₂S", "硫化氢", "mg/m³"], smoke: ["smoke", "烟雾", "%/m"], fire_alarm: ["fire alarm", "火警", ""],
  voltage: ["voltage", "电压", "V"], current: ["current", "电流", "A"], active_power: ["power", "有功", "kW"], frequency: ["frequency", "频率", "Hz"], pressure: ["pressure", "压力", "kPa"], flow: ["flow", "流量", "m³/h"], temperature: ["temperature", "温度", "°C"], vibration: ["vibration", "振动", "mm/s"], running: ["running", "运行", ""],
  tilt: ["tilt", "倾斜", "°"], displacement: ["displacement", "位移", "mm"], strain: ["strain", "应变", "µm/m"], seepage: ["seepage", "渗流", "L/s"], pore_pressure: ["pore pressure", "孔压", "kPa"], upstream_level: ["reservoir", "库水位", "m"], soil_moisture: ["soil moisture", "土壤湿度", "%"], pga: ["peak acceleration", "峰值加速度", "m/s²"], seismic_intensity: ["intensity", "烈度", ""],
  speed: ["speed", "车速", "km/h"], course: ["course", "方向", "°"], odometer: ["odometer", "里程", "km"], fuel_volume: ["fuel", "油量", "L"], soc: ["charge", "电量", "%"], ignition: ["ignition", "点火", ""], alarms: ["alarms", "报警", ""],
  sog: ["speed", "航速", "kn"], cog: ["course", "航向", "°"], heading: ["heading", "艏向", "°"], nav_status: ["status", "状态", ""], draught: ["draught", "吃水", "m"], destination: ["destination", "目的港", ""], name: ["name", "船名", ""], battery: ["battery", "电池", "%"], rssi: ["signal", "信号", "dBm"],
};
// What one number tells most about a device of this kind, in this order.
const TELLING = ["water_depth", "methane_lel", "fire_alarm", "pm25", "water_level", "turbidity", "voltage", "cod", "seismic_intensity", "displacement", "seepage", "vibration", "rain_intensity", "wind_speed", "sog", "speed", "flow", "running"];

let tongue = 0;
try { tongue = Number(localStorage.getItem("cityhub.tongue") ?? (navigator.language.startsWith("zh") ? 1 : 0)); } catch { /* private window: the browser's language decides */ }

export const language = () => (tongue ? "zh-CN" : "en");
export function switchLanguage() {
  tongue = 1 - tongue;
  try { localStorage.setItem("cityhub.tongue", String(tongue)); } catch { /* not kept, then */ }
}
export const say = (key) => WORDS[key]?.[tongue] ?? key;
export const kindName = (kind) => KINDS[kind]?.[tongue] ?? kind ?? "";
export const familyOf = (kind) => FAMILY_OF.get(kind) ?? "other";
export const familyName = (name) => FAMILIES[name].words[tongue];
/** Every metric by name, as the hub tells it: for those that have no short name here. @type {Map<string, any>} */
let vocabulary = new Map();
export function useVocabulary(metrics) { vocabulary = new Map(metrics.map((item) => [item.metric, item])); }
const titled = (metric) => (tongue && vocabulary.get(metric)?.title_zh) || vocabulary.get(metric)?.title || metric.replaceAll("_", " ");
export const metricName = (metric) => METRICS[metric]?.[tongue] ?? titled(metric);
const UNITS = { "ug/m3": "µg/m³", "mg/m3": "mg/m³", "m3/s": "m³/s", "m3/h": "m³/h", "m/s2": "m/s²", Cel: "°C", deg: "°", index: "", count: "", 1: "", "[pH]": "", "uS/cm": "µS/cm" };
export const unitOf = (metric) => { const unit = METRICS[metric]?.[2] ?? vocabulary.get(metric)?.unit ?? ""; return UNITS[unit] ?? unit; };

/** What the hub says of something, in the page's language: its records hold the Chinese beside the English. */
export const told = (of, key) => (tongue && of?.[`${key}_zh`]) || (of?.[key] ?? "");
export const stateName = (state) => say(state === "failed" ? "ended" : state);
export const changeName = (change) => (change === "shelved" ? say("shelvedChange") : say(change));

/** Why input could not be used, by the name that counters have too. */
export const faultName = (kind) => (WORDS[`kind_${kind}`] ? say(`kind_${kind}`) : kind);
/** A part of the hub: by the name that documents have, in Chinese by what it is and which one. */
export function partName(part) {
  if (!tongue) return part;
  const [name, ...at] = part.split("@"), [what, ...which] = name.split("/"), one = which.join("/");
  const named = WORDS[`part_${what}`] ? say(`part_${what}`) : what, where = at.length ? `（${at.join("@")}）` : "";
  if (what === "role") return [named, ...one.split("-").map((word) => (WORDS[`part_${word}`] ? say(`part_${word}`) : word))].join(" ");
  return one ? `${named} ${WORDS[`stream_${one}`] && what !== "adapter" && what !== "destination" && what !== "rule" ? say(`stream_${one}`) : one}${where}` : named + where;
}
/** What the hub refused, in the reader's language; a sentence that it has in English only is quoted behind what its status means. */
export const refusalText = (error) => (tongue ? error.zh || `${say(WORDS[`refusal_${error.status}`] ? `refusal_${error.status}` : "refusal_500")}${foreign(error.message)}` : error.message);
/** Words that are not the hub's own: as they are, in Chinese in the quotation marks by which `spoken` knows them. */
export const foreign = (text) => (text && tongue ? `「${text}」` : text);

/** What is held against a value, by the name that the hub has for it; the names of other devices' own marks are theirs. */
export const markName = (mark) => (WORDS[`mark_${mark}`] ? say(`mark_${mark}`) : mark);

/** Whether a newest value is denied: what people entered or estimated holds (hub.model.USABLE_MARKS). */
export const isHeldAgainst = (told) => Boolean(told?.mark) && told.mark !== "manual" && told.mark !== "estimated";

/** A value as people read it. `mark`: what is held against it, which stands beside it. */
export function valueText(metric, value, mark = "") {
  if (mark) return `${valueText(metric, value)} ⚠ ${markName(mark)}`;
  if (Array.isArray(value)) return value.length ? value.join(", ") : "–";
  if (typeof value === "boolean") return value ? (tongue ? "是" : "yes") : (tongue ? "否" : "no");
  if (typeof value !== "number") return String(value);
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  const unit = unitOf(metric);
  return Number(value.toFixed(digits)).toLocaleString(language()) + (unit ? ` ${unit}` : "");
}
export function telling(values) {
  const metric = TELLING.find((name) => name in values) ?? Object.keys(values)[0];
  return metric ? [metric, values[metric].value, values[metric].mark] : null;
}
/** A clock's offset or a delay: seconds while they are few. */
export const skewText = (seconds) => (Math.abs(seconds) < 90 ? `${seconds} ${say("ago_s")}` : `${seconds < 0 ? "−" : ""}${agoText(Math.abs(seconds) * 1000)}`);
/** How long until something is due. */
export const untilText = (ms) => (ms <= 0 ? say("dueNow") : ms < 3_600_000 ? `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}` : agoText(ms));
export function agoText(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} ${say("ago_s")}`;
  if (s < 5400) return `${Math.round(s / 60)} ${say("ago_m")}`;
  if (s < 48 * 3600) return `${Math.round(s / 3600)} ${say("ago_h")}`;
  return `${Math.round(s / 86_400)} ${say("ago_d")}`;
}
let timeZone;
/** All times are the city's own from now on; a zone this browser does not know leaves its own. */
export function useZone(name) {
  try { new Intl.DateTimeFormat("en", { timeZone: name }); timeZone = name; } catch { timeZone = undefined; }
}
const dayText = (at) => new Date(at).toLocaleDateString("en-CA", { timeZone });
/** A time of today as a time, any other with its date: an old warning must not look like one of this morning. `skew`: the hub's clock minus this one, ms. */
export function momentText(at, skew = 0) {
  const when = new Date(at);
  if (Number.isNaN(when.getTime())) return "–";
  if (dayText(when) === dayText(Date.now() + skew)) return clockText(when);
  const year = dayText(when).slice(0, 4) === dayText(Date.now() + skew).slice(0, 4) ? undefined : "numeric";
  return when.toLocaleString(language() === "en" ? "en-GB" : language(), { timeZone, hour12: false, year, month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
}
/** A mark of a time axis that spans so many ms. */
export const axisText = (at, span) => new Date(at).toLocaleString(language() === "en" ? "en-GB" : language(), span > 2 * 86_400_000 ? { timeZone, month: "short", day: "numeric" } : { timeZone, hour12: false, hour: "2-digit", minute: "2-digit" });
export const clockText = (at, more = {}) => new Date(at).toLocaleTimeString(language(), { hour12: false, timeZone, ...more });
export const count = (n) => (n ?? 0).toLocaleString(language());
/** Readings a second: of each adapter the mean of its newest five figures, all together; "–" as long as nobody has counted twice. */
export function rateText(adapters) {
  const newest = [...adapters].map((rates) => rates.slice(-5)).filter((rates) => rates.length);
  const rate = newest.reduce((sum, rates) => sum + rates.reduce((a, b) => a + b, 0) / rates.length, 0);
  return newest.length === 0 ? "–" : rate < 10 ? rate.toFixed(1) : count(Math.round(rate));
}
